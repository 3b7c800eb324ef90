# SPDX-License-Identifier: Apache-2.0
"""The door to torchao's quantization of exported programs (PT2E): who imports this needs torchao.

The one rule: torchao is imported here alone, and what it warns of and logs as it comes is kept from the user.
"""

from sparsec.quiet import only_our_messages

with only_our_messages():
    try:
        from torchao.quantization.pt2e import (
            FakeQuantize,
            FusedMovingAvgObsFakeQuantize,
            HistogramObserver,
            MinMaxObserver,
            MovingAverageMinMaxObserver,
            MovingAveragePerChannelMinMaxObserver,
            PerChannelMinMaxObserver,
            allow_exported_model_train_eval,  # pyright: ignore[reportPrivateUsage]
            move_exported_model_to_eval,  # pyright: ignore[reportPrivateUsage]
        )
        from torchao.quantization.pt2e.quantize_pt2e import (
            convert_pt2e,
            prepare_pt2e,
            prepare_qat_pt2e,
        )
        from torchao.quantization.pt2e.quantizer import (
            FixedQParamsQuantizationSpec,
            QuantizationAnnotation,
            QuantizationSpec,
            QuantizationSpecBase,
            Quantizer,
            SharedQuantizationSpec,
        )
    except ImportError as error:
        raise ImportError(
            "quantization needs torchao 0.18: pip install sparsec[compress]"
        ) from error

allow_training = allow_exported_model_train_eval
stop_training = move_exported_model_to_eval

__all__ = [
    "FakeQuantize",
    "FixedQParamsQuantizationSpec",
    "FusedMovingAvgObsFakeQuantize",
    "HistogramObserver",
    "MinMaxObserver",
    "MovingAverageMinMaxObserver",
    "MovingAveragePerChannelMinMaxObserver",
    "PerChannelMinMaxObserver",
    "QuantizationAnnotation",
    "QuantizationSpec",
    "QuantizationSpecBase",
    "Quantizer",
    "SharedQuantizationSpec",
    "allow_training",
    "convert_pt2e",
    "prepare_pt2e",
    "prepare_qat_pt2e",
    "stop_training",
]
