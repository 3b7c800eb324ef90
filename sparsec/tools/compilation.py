"""From a file to compiled IR: load, run the pipeline, keep what later steps ask for."""

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, StringAttr
from xdsl.parser import Parser
from xdsl.passes import ModulePass, PassPipeline
from xdsl.utils.exceptions import DiagnosticException, ParseError, PassFailedException

from sparsec import pipelines
from sparsec.ir.level import Level, level_of
from sparsec.interpreters.signature import entry_quantizations, main_function
from sparsec.quantization.scheme import Quantization
from sparsec.targets.cpu import Cpu, cpu_named
from sparsec.tools.errors import InternalError, UserError
from sparsec.tools.instrumentation import Instrumentation
from sparsec.tools.options import network_name
from sparsec.tools.printing import module_text
from sparsec.tools.semantics import SemanticsCheck, random_inputs
from sparsec.tools.sparsec_opt import universes

Array: TypeAlias = np.ndarray[Any, Any]
Progress: TypeAlias = Callable[[str], None]


@dataclass
class Compilation:
    """A network on its way down, with what was learnt of it.

    `quantized` is the module as it left the `qnn` stage, the oracle of everything below.
    """

    name: str
    cpu: Cpu
    module: ModuleOp
    quantized: ModuleOp | None = None
    inputs: list[Quantization] = field(default_factory=list[Quantization])
    outputs: list[Quantization] = field(default_factory=list[Quantization])


def context() -> Context:
    """A context that knows every dialect."""
    ctx = Context()
    for universe in universes():
        for name, factory in universe.all_dialects.items():
            ctx.register_dialect(name, factory)
    return ctx


def read_ir(ctx: Context, model: str) -> ModuleOp:
    """Parse and verify IR text; UserError if it is not valid."""
    try:
        text = sys.stdin.read() if model == "-" else Path(model).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read {model}: {error}") from error
    try:
        module = Parser(ctx, text, model).parse_module()
        module.verify()
        main_function(module)
    except (ParseError, DiagnosticException, ValueError) as error:
        raise UserError(f"{model} is not valid IR: {error}") from error
    return module


def read_model(args: argparse.Namespace) -> tuple[ModuleOp, int | None]:
    """Import a network; also the number of example inputs the file carries, None for none."""
    from sparsec import frontends

    try:
        loaded = frontends.load(
            Path(args.model),
            input_layout=args.input_layout,
            trust_pickle=args.trust_pickle,
            input_shape=args.input_shape,
        )
    except frontends.FrontendError as error:
        raise UserError(str(error)) from error
    return loaded.module, None if loaded.examples is None else len(loaded.examples[0])


def available_passes() -> dict[str, Callable[[], type[ModulePass]]]:
    """Every pass by its name."""
    first, second = universes()
    return first.all_passes | second.all_passes


def run_passes(
    ctx: Context,
    module: ModuleOp,
    text: str,
    callbacks: Iterable[Callable[[ModulePass | None, ModuleOp, ModulePass | None], None]],
) -> None:
    """Run the pipeline `text` on `module`.

    Raises UserError when a pass finds that the network cannot be compiled, InternalError with the
    IR before the pipeline when a pass breaks.
    """
    original = module.clone()

    def callback(
        previous: ModulePass | None, module: ModuleOp, next: ModulePass | None
    ) -> None:
        module.verify()
        for each in callbacks:
            each(previous, module, next)

    try:
        PassPipeline.parse_spec(available_passes(), text, callback).apply(ctx, module)
    except (UserError, KeyboardInterrupt):
        raise
    except PassFailedException as error:
        raise UserError(str(error)) from error
    except Exception as error:
        reproducer = f'// sparsec-opt THIS -p "{text}"\n{module_text(original)}'
        raise InternalError(f"{type(error).__name__}: {error}", reproducer) from error


def compile_model(
    args: argparse.Namespace, emit: pipelines.Emit, progress: Progress = lambda _: None
) -> Compilation:
    """Read the model that `args` names and bring it to the level `emit`."""
    try:
        cpu = cpu_named(args.target or "cortex-m4")
    except ValueError as error:
        raise UserError(str(error)) from error
    ctx = context()
    examples: int | None = None
    progress(f"reading {args.model}")
    if args.model == "-" or args.model.endswith(".mlir"):
        module = read_ir(ctx, args.model)
    else:
        module, examples = read_model(args)
    compilation = Compilation(network_name(args.model, args.name), cpu, module)
    module.attributes["sparsec.name"] = StringAttr(compilation.name)
    options = pipeline_options(args, cpu, module, examples)
    if args.print_pipeline:
        print(pipelines.pipeline(emit, options))
        return compilation

    instrumentation = Instrumentation.from_arguments(args)
    if unknown := instrumentation.unknown_passes(frozenset(available_passes())):
        raise UserError(f"there is no pass called '{unknown[0]}'")
    callbacks = [instrumentation.callback]
    if args.verify_semantics:
        callbacks.append(SemanticsCheck(semantics_inputs(args, module)).callback)

    def run(passes: Sequence[str]) -> None:
        for text in passes:
            progress(text.partition("{")[0])
        run_passes(ctx, module, ",".join(passes), callbacks)

    run(pipelines.nn(options))
    if emit == "nn":
        return compilation
    run(pipelines.qnn(options))
    if level_of(module) is Level.QNN:
        compilation.quantized = module.clone()
        compilation.inputs, compilation.outputs = entry_quantizations(module)
    if emit in ("kernels", "c"):
        run(pipelines.kernels(options))
    return compilation


def pipeline_options(
    args: argparse.Namespace, cpu: Cpu, module: ModuleOp, examples: int | None
) -> pipelines.PipelineOptions:
    """The options of the passes; decides what calibrates the network."""
    calibrate: str | None = args.calibrate
    if calibrate is None and examples is not None and not is_quantized(module):
        calibrate = args.model
        print(
            f"warning: no --calibrate given, calibrating with the {examples} example "
            f"input{'s' if examples != 1 else ''} of {args.model}",
            file=sys.stderr,
        )
    return pipelines.PipelineOptions(
        target=cpu.name,
        calibrate=calibrate,
        observer=args.observer,
        percentile=args.percentile,
        input_layout=args.input_layout,
        linear_weights=args.linear_weights,
        weights=args.weights,
        min_sparsity=args.min_sparsity,
    )


def is_quantized(module: ModuleOp) -> bool:
    """Whether the network brings quantization of its own."""
    return level_of(module) is not Level.NN or any(
        op.name == "nn.quantize" for op in module.walk()
    )


def semantics_inputs(args: argparse.Namespace, module: ModuleOp) -> list[Array]:
    """One sample for `--verify-semantics`: of the calibration data if there is any."""
    return random_inputs(module)
