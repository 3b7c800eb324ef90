# SPDX-License-Identifier: Apache-2.0
"""Searching for what each layer of a network should become, with figures of the chip as goals and limits.

One `Space` says what may be chosen, `Objectives` say what is wanted, a `Subject` says what a candidate costs and how good
it is; engines (amc, studies of Optuna, baselines) know nothing else.
"""
