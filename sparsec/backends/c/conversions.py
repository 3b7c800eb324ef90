# SPDX-License-Identifier: Apache-2.0
"""Functions of the generated header that convert real inputs and outputs, as C text.

The one rule: they are exact. Those of a network of TensorFlow Lite give the bits of its operators
QUANTIZE and DEQUANTIZE in TensorFlow Lite Micro, wherever these are defined.
"""

from typing import Any


def conversions(name: str, facts: dict[str, Any], as_tflite: bool) -> str:
    """One function for each input and output of the report `facts` whose scale is known."""
    quantize = _QUANTIZE_AS_TFLITE if as_tflite else _QUANTIZE
    functions = ""
    for template, places in ((quantize, facts["inputs"]), (_DEQUANTIZE, facts["outputs"])):
        for place in places:
            if place["scale"] is not None:
                prefix = f"{name.upper()}_{place['name'].upper()}"
                functions += template.format(name=name, place=place["name"], prefix=prefix)
    return functions


_QUANTIZE = """
/* The int8 value nearest to a real input, halves to even. */
static inline int8_t {name}_quantize_{place}(float value)
{{
    double scaled = (double)value / {prefix}_SCALE;
    /* Written so that NaN becomes the lowest value. */
    scaled = scaled > -128 - {prefix}_ZERO_POINT ? scaled : -128 - {prefix}_ZERO_POINT;
    scaled = scaled < 127 - {prefix}_ZERO_POINT ? scaled : 127 - {prefix}_ZERO_POINT;
    int32_t rounded = (int32_t)scaled;
    const double rest = scaled - (double)rounded;
    /* An even number keeps its halves: its threshold is the next double above 0.5. */
    const double half = (rounded & 1) != 0 ? 0.5 : 0.50000000000000011;
    rounded += rest >= half ? 1 : 0;
    rounded -= rest <= -half ? 1 : 0;
    return (int8_t)(rounded + {prefix}_ZERO_POINT);
}}
"""

_QUANTIZE_AS_TFLITE = """
/*
 * What QUANTIZE of TensorFlow Lite makes of a real input: the nearest int8 value, halves away from zero.
 * Not under -ffast-math, which may divide in another way.
 */
static inline int8_t {name}_quantize_{place}(float value)
{{
    float scaled = value / (float){prefix}_SCALE;
    /* Written so that NaN becomes the lowest value. */
    scaled = scaled > (float)(-128 - {prefix}_ZERO_POINT) ? scaled : (float)(-128 - {prefix}_ZERO_POINT);
    scaled = scaled < (float)(127 - {prefix}_ZERO_POINT) ? scaled : (float)(127 - {prefix}_ZERO_POINT);
    int32_t rounded = (int32_t)scaled;
    const float rest = scaled - (float)rounded;
    rounded += rest >= 0.5f ? 1 : 0;
    rounded -= rest <= -0.5f ? 1 : 0;
    return (int8_t)(rounded + {prefix}_ZERO_POINT);
}}
"""

_DEQUANTIZE = """
/* The real number that an int8 output stands for. */
static inline float {name}_dequantize_{place}(int8_t value)
{{
    return (float)((value - {prefix}_ZERO_POINT) * {prefix}_SCALE);
}}
"""
