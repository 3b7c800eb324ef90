# SPDX-License-Identifier: Apache-2.0
"""AMC: an agent that walks over the layers and says of each how much of it goes (He et al. 2018, "AMC: AutoML for Model
Compression and Acceleration on Mobile Devices"), with the protocols and defaults of Intel's distiller."""
