# SPDX-License-Identifier: Apache-2.0
"""The header contract: what a call and its prototype can disagree on is found."""

from pathlib import Path

import pytest

from sparsec.backends.c.headers import CType, Header, check_call, read_headers
from sparsec.ir.kernel import KernelOp
from sparsec.targets.memory import ChipMemory
from sparsec.targets.runtime import runtime_dir
from tests.backends.lowering import lower, parse

MODULE = """
func.func @main(%x : tensor<1x2x2x1xi8>) -> tensor<1x3xi8> {
  %w = qnn.constant dense<1> : tensor<1x1x1x1xi8>
  %b = qnn.constant dense<0> : tensor<1xi32>
  %m = qnn.constant dense<1073741824> : tensor<1xi32>
  %s = qnn.constant dense<0> : tensor<1xi32>
  %c = qnn.conv2d %x, %w, %b requant(%m, %s) <> window <> {layer = "conv"}
      : tensor<1x2x2x1xi8>, tensor<1x1x1x1xi8>, tensor<1xi32>, tensor<1xi32> -> tensor<1x2x2x1xi8>
  %t = qnn.constant dense<7> : tensor<256xi8>
  %y = qnn.lookup %c, %t {layer = "lookup"} : tensor<1x2x2x1xi8>, tensor<256xi8>
  %f = qnn.reshape %y : tensor<1x2x2x1xi8> -> tensor<1x4xi8>
  %v = qnn.constant dense<1> : tensor<3x4xi8>
  %d = qnn.constant dense<0> : tensor<3xi32>
  %z = qnn.linear %f, %v, %d requant(%m, %s) <> {layer = "fc"}
      : tensor<1x4xi8>, tensor<3x4xi8>, tensor<3xi32>, tensor<1xi32> -> tensor<1x3xi8>
  func.return %z : tensor<1x3xi8>
}
"""


def kernels(target: str = "cortex-m4") -> dict[str, KernelOp]:
    module = lower(parse(MODULE), target)
    return {op.name: op for op in module.walk() if isinstance(op, KernelOp)}


def headers(cmsis_nn: Path) -> list[Path]:
    include = cmsis_nn / "Include"
    sparsec = runtime_dir() / "include" / "sparsec.h"
    return [include / "arm_nn_types.h", include / "arm_nnfunctions.h", sparsec]


def test_the_headers_in_use_fit(cmsis_nn: Path) -> None:
    header = read_headers(*headers(cmsis_nn))
    for op in (*kernels().values(), *kernels("cortex-m55").values()):
        assert check_call(op, header).name == op.C_FUNCTION


def test_no_memory_is_called_like_a_struct_of_a_call(cmsis_nn: Path) -> None:
    """The entry has both: the memory as an argument, the struct as a variable."""
    header = read_headers(*headers(cmsis_nn))
    structs = {
        name
        for function in header.prototypes.values()
        for name, type in function.parameters
        if type.name in header.structs
    }
    assert {"ctx", "weights", "place"} < structs
    for name in structs:
        with pytest.raises(ValueError, match="cannot name a memory in C"):
            ChipMemory(name, 64)


def test_a_prototype_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.h"
    path.write_text(
        """
        #ifndef A_H
        #define A_H  /* f(void); */
        #ifdef __cplusplus
        extern "C" {
        #endif
        // int8_t g(int x);
        typedef enum { A = 0, B = -1 } names;
        typedef struct
        {
            int32_t w; /**< width */
            const int16_t *lut;
        } pair;
        void nothing(void);
        int32_t f(const pair *p, int8_t *out, const int32_t n,
                  const int32_t sizes[4]);
        #ifdef __cplusplus
        }
        #endif
        #endif
        """
    )
    header = read_headers(path)
    assert header.structs == {"pair": {"w": CType("int32_t"), "lut": CType("int16_t", 1, True)}}
    assert header.prototypes["nothing"].parameters == ()
    f = header.prototypes["f"]
    assert f.returns == CType("int32_t")
    assert f.parameters == (
        ("p", CType("pair", 1, True)),
        ("out", CType("int8_t", 1)),
        ("n", CType("int32_t")),
        ("sizes", CType("int32_t", 1, True)),
    )


@pytest.mark.parametrize(
    ("kernel", "old", "new", "message"),
    [
        ("rt.lookup_s8", "sparsec_lookup_s8(", "sparsec_lookup_s16(", "does not declare"),
        (
            "rt.lookup_s8",
            "(int32_t size, const int8_t *input, const int8_t *table",
            "(int32_t size, int32_t more, const int8_t *input, const int8_t *table",
            "takes 5 arguments",
        ),
        (
            "rt.lookup_s8",
            "const int8_t *input, const int8_t *table",
            "const int16_t *input, const int8_t *table",
            "'input' of sparsec.h is const int16_t .*, not a pointer to int8_t",
        ),
        (
            "rt.lookup_s8",
            "const int8_t *input, const int8_t *table",
            "int8_t *input, const int8_t *table",
            "but the call only reads it",
        ),
        (
            "rt.lookup_s8",
            "const int8_t *input, const int8_t *table, int8_t *output",
            "const int8_t *input, const int8_t *table, const int8_t *output",
            "but the call writes it",
        ),
        ("rt.lookup_s8", "(int32_t size,", "(const int8_t *size,", "not a number"),
        (
            "cmsis.convolve_wrapper_s8",
            "arm_convolve_wrapper_s8(const cmsis_nn_context *ctx,",
            "arm_convolve_wrapper_s8(const cmsis_nn_dims *ctx,",
            "is a cmsis_nn_dims, not a cmsis_nn_context",
        ),
        (
            "cmsis.convolve_wrapper_s8",
            "cmsis_nn_activation activation;\n} cmsis_nn_conv_params;",
            "cmsis_nn_activation activation;\n int32_t upscale;\n} cmsis_nn_conv_params;",
            "cmsis_nn_conv_params and the compiler differ in upscale",
        ),
        (
            "cmsis.convolve_wrapper_s8",
            "int32_t *multiplier; /**< Multiplier values */",
            "int16_t *multiplier; /**< Multiplier values */",
            "quant_params.*multiplier is int16_t",
        ),
    ],
)
def test_every_disagreement_is_found(
    kernel: str, old: str, new: str, message: str, cmsis_nn: Path, tmp_path: Path
) -> None:
    changed: list[Path] = []
    for path in headers(cmsis_nn):
        text = path.read_text()
        changed.append(tmp_path / path.name)
        changed[-1].write_text(text.replace(old, new))
    assert any(
        a.read_text() != b.read_text() for a, b in zip(headers(cmsis_nn), changed, strict=True)
    )
    with pytest.raises(ValueError, match=message):
        check_call(kernels()[kernel], read_headers(*changed))


def test_a_missing_header_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"cannot read the header .*nothing.h"):
        read_headers(tmp_path / "nothing.h")


def test_an_unreadable_header_is_named(tmp_path: Path) -> None:
    (tmp_path / "odd.h").write_text("int (*callback)(void);")
    with pytest.raises(ValueError, match=r"cannot read the prototypes of odd.h"):
        read_headers(tmp_path / "odd.h")


def test_an_undeclared_struct_is_found() -> None:
    with pytest.raises(ValueError, match="does not declare arm_convolve_wrapper_s8"):
        check_call(kernels()["cmsis.convolve_wrapper_s8"], Header())
