# SPDX-License-Identifier: Apache-2.0
"""From a file to compiled IR: load, run the pipeline, keep what later steps ask for."""

import argparse
import gc
import sys
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias

from xdsl.context import Context
from xdsl.dialects.builtin import IntegerAttr, ModuleOp, StringAttr
from xdsl.dialects.memref import ViewOp
from xdsl.ir import BlockArgument
from xdsl.passes import ModulePass, PassPipeline
from xdsl.utils.exceptions import ParseError, PassFailedException

from sparsec import pipelines
from sparsec.analysis.choice.format_goal import Goal
from sparsec.analysis.choice.layer_groups import RamError
from sparsec.analysis.memory.live_bytes import sum_text
from sparsec.analysis.memory.memory_plan import certify_plan, planned_function
from sparsec.analysis.memory.plan_view import PlanView, plan_view
from sparsec.frontends.proof import Proof, ReadingError
from sparsec.interpreters.signature import entry_quantizations, main_function
from sparsec.ir.attributes import ARENA_LOWER_BOUND, INPUTS, NAME, TARGET
from sparsec.ir.level import Level, level_of
from sparsec.ir.sparse import verify_arguments
from sparsec.ir.wellformed import verify_symbols, verify_wellformed
from sparsec.passes.select_sparse_formats import SelectSparseFormatsPass
from sparsec.quantization.scheme import Quantization
from sparsec.quiet import only_our_messages
from sparsec.recipe import Recipe, parse_recipe
from sparsec.run import cmsis_nn
from sparsec.targets.cmsis_nn import PACKAGED, read_release
from sparsec.targets.cpu import Cpu, cpu_named
from sparsec.targets.memory import parse_memories
from sparsec.tools.accuracy import Accuracy, AccuracyWatch
from sparsec.tools.errors import InternalError, UserError, first_line, one_line, warn
from sparsec.tools.import_check import difference, mixes_samples
from sparsec.tools.instrumentation import Instrumentation
from sparsec.tools.options import network_name
from sparsec.tools.parsing import QuickParser
from sparsec.tools.printing import module_text
from sparsec.tools.ram_budget import planned_bytes, within_ram
from sparsec.tools.registry import available_passes, context
from sparsec.tools.rounding import SemanticsError
from sparsec.tools.semantics import Array, SemanticsCheck, calibration_samples, random_inputs

Progress: TypeAlias = Callable[[str], None]
Callback: TypeAlias = Callable[[ModulePass | None, ModuleOp, ModulePass | None], None]


@dataclass
class Compilation:
    """A network on its way down, with what was learnt of it.

    `pipeline` is the text of its passes. `quantized` is the module as it left `fold-qdq`, the
    oracle of everything below. `watch` saw it being quantized. `chosen_from` is the network of which formats were chosen within
    `--ram`, with what its layers may not have; None where that was not asked for. `doubts` are lines about calibration data and
    outputs that int8 does not serve. `named_after` is the file that gave the
    network its name; None where the user did, or the IR.
    """

    name: str
    cpu: Cpu
    module: ModuleOp
    pipeline: str
    quantized: ModuleOp | None = None
    accuracy: Accuracy | None = None
    watch: AccuracyWatch | None = None
    chosen_from: ModuleOp | None = None
    named_after: Path | None = None
    doubts: list[str] = field(default_factory=list[str])
    inputs: list[Quantization] = field(default_factory=list[Quantization])
    outputs: list[Quantization] = field(default_factory=list[Quantization])


def is_ir(model: str) -> bool:
    """Whether `model` names IR text, not a model of torch."""
    return model == "-" or model.endswith(".mlir")


def check_plan(module: ModuleOp) -> None:
    """Raises ValueError, or what broke first, unless the memory plan that the text brings is one, if it brings one."""
    planned = planned_function(module)
    if planned is not None:
        certify_plan(planned)
    elif any(
        isinstance(op, ViewOp) and isinstance(op.source, BlockArgument) for op in module.walk()
    ):
        raise ValueError(f"its buffers have places in a memory, but {INPUTS} is not there")


def read_ir(ctx: Context, model: str) -> ModuleOp:
    """Parse and verify IR text; UserError if it is not valid."""
    try:
        text = sys.stdin.read() if model == "-" else Path(model).read_text()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise UserError(f"cannot read {model}: {reason}") from error
    source = "standard input" if model == "-" else model
    try:
        module = QuickParser(ctx, text, source).parse_module()
        module.verify()
        verify_arguments(module)
        verify_wellformed(module)
        verify_symbols(module)
        main_function(module)
        check_plan(module)
    except ParseError as error:
        where = first_line(error)
        hint = "; it was printed with constants left out" if "dense<...>" in text else ""
        raise UserError(f"{where}: not valid IR: {error.msg.strip()}{hint}") from error
    except (
        Exception
    ) as error:  # xDSL's parsers and verifiers raise nearly anything for what they do not expect
        raise UserError(f"{source}: not valid IR: {first_line(error)}") from error
    return module


def read_model(args: argparse.Namespace) -> tuple[ModuleOp, int | None]:
    """Import a network; also the number of example inputs the file carries, None for none.

    How the files of the network want it stored goes in front of `args.recipe`, unless --weights says it.
    """
    from sparsec import frontends

    try:
        with only_our_messages():
            loaded = frontends.load(
                Path(args.model),
                input_layout=args.input_layout,
                trust_pickle=args.trust_pickle,
                input_shape=args.input_shape,
            )
    except frontends.FrontendError as error:
        raise UserError(str(error)) from error
    if loaded.converted and not args.quiet:
        types = " and ".join(loaded.converted)
        warn(f"{args.model} has {types} numbers, which are taken as float32", kind="note")
    if not args.quiet:
        for line in loaded.summary:
            print(one_line(line), file=sys.stderr)
    if loaded.recipe.wishes and getattr(args, "weights", None) == "auto":
        args.recipe = "; ".join(filter(None, [loaded.recipe.text, args.recipe]))
    if loaded.proof is not None and args.import_check:
        check_import(args, loaded.module, loaded.proof)
    return loaded.module, None if loaded.examples is None else len(loaded.examples[0])


def check_import(args: argparse.Namespace, module: ModuleOp, proof: Proof) -> None:
    """Hold an imported module to torch. Raises InternalError where they differ."""
    try:
        with only_our_messages():
            apart = difference(proof, module)
            mixed = apart is not None and mixes_samples(proof)
    except ReadingError as error:
        if not args.quiet:
            warn(f"the import of {args.model} cannot be checked, as torch does not run it: {error}")
        return
    if mixed:
        raise UserError(
            f"{args.model}: what it gives for one index of its dynamic dimension depends on others, and only a batch may be "
            "dynamic: export the model with a fixed size there"
        )
    if apart is not None:
        raise InternalError(
            f"the import of {args.model} is wrong: {apart}", module_text(module), None
        )


def run_passes(
    ctx: Context,
    module: ModuleOp,
    passes: Sequence[str],
    callbacks: Iterable[Callback],
    *,
    verify_each: bool = True,
) -> None:
    """Run `passes` on `module`, which is verified after each of them or only after the last.

    Raises UserError when a pass finds that the network cannot be compiled, InternalError with the
    IR before the passes when one breaks.
    """
    original = module.clone()
    text = ",".join(passes)
    running = "the pipeline"

    def callback(previous: ModulePass | None, module: ModuleOp, next: ModulePass | None) -> None:
        nonlocal running
        if verify_each or next is None:
            module.verify()
        for each in callbacks:
            each(previous, module, next)
        running = "the pipeline" if next is None else f"pass {next.name}"

    try:
        PassPipeline.parse_spec(available_passes(), text, callback).apply(ctx, module)
    except UserError:
        raise
    except PassFailedException as error:
        raise UserError(str(error)) from error
    except SemanticsError as error:
        raise InternalError(str(error), module_text(original), text) from error
    except Exception as error:
        if not verify_each:  # an earlier pass may have left what this one could not read
            run_passes(ctx, original.clone(), passes, (), verify_each=True)
        message = f"{running} broke: {type(error).__name__}: {first_line(error)}"
        raise InternalError(message, module_text(original), text) from error


@contextmanager
def without_collections() -> Generator[None]:
    """A compilation drops little of what it makes: to look for circles in it takes a fifth of the time of a large one."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@without_collections()
def compile_model(
    args: argparse.Namespace, emit: pipelines.Emit, progress: Progress = lambda _: None
) -> Compilation:
    """Read the model that `args` names and bring it to the level `emit`.

    With `args.print_pipeline` the passes are decided on and not run.
    """
    cpu = chosen_cpu(args, emit)
    instrumentation = Instrumentation.from_arguments(args)
    instrumentation.check_passes(available_passes())
    ctx = context()
    examples: int | None = None
    progress(f"reading {args.model}")
    if is_ir(args.model):
        module = read_ir(ctx, args.model)
    else:
        module, examples = read_model(args)
    level = level_of(module)
    check_level(args, module, emit)
    options = pipeline_options(args, cpu, module, examples)
    pipeline = pipelines.pipeline(emit, options, level.value)
    compilation = Compilation(chosen_name(args, module), cpu, module, pipeline)
    if args.name is None and args.model != "-" and given_name(args, module) is None:
        compilation.named_after = Path(args.model)
    module.attributes[NAME] = StringAttr(compilation.name)
    if args.print_pipeline:
        return compilation

    callbacks: list[Callback] = [
        lambda previous, module, next: progress("" if next is None else next.name),
        instrumentation.callback,
    ]
    if args.verify_semantics:
        callbacks.append(SemanticsCheck(samples_for(module, options)).callback)
    watch = AccuracyWatch() if emit in ("qnn", "c") and not is_quantized(module) else None
    compilation.watch = watch
    if watch is not None:
        callbacks.append(watch.callback)
    passes: list[str] = []
    if level is not Level.KERNELS:
        passes += pipelines.nn(options)
        if emit != "nn":
            passes += pipelines.qnn(options)
            callbacks.append(keep_quantized(compilation, len(passes)))
            passes += pipelines.lossless(options)
    lowers = emit not in ("nn", "qnn")
    if lowers and options.ram is None:
        passes += pipelines.kernels(options)
    if passes:
        run_passes(ctx, module, passes, callbacks, verify_each=args.verify_each)
    if lowers and options.ram is not None:
        lower_within_ram(ctx, compilation, options, callbacks, verify_each=args.verify_each)
        check_arena(compilation, options.ram)
    doubts = [] if watch is None else list(watch.doubts)
    if watch is not None and emit == "c" and compilation.quantized and options.calibrate:
        progress("comparing with the float network")
        compilation.accuracy = watch.measure(
            compilation.quantized, options.calibrate, options.input_layout
        )
        doubts += [] if compilation.accuracy is None else compilation.accuracy.doubts
    compilation.doubts = doubts
    for doubt in [] if args.quiet else doubts:
        warn(doubt)
    return compilation


def keep_quantized(compilation: Compilation, passes: int) -> Callback:
    """A callback that keeps the network as it is behind so many passes."""
    ran = 0

    def callback(previous: ModulePass | None, module: ModuleOp, next: ModulePass | None) -> None:
        nonlocal ran
        ran += previous is not None
        if ran == passes and compilation.quantized is None:
            compilation.quantized = module.clone()
            compilation.inputs, compilation.outputs = entry_quantizations(module)

    return callback


def samples_for(module: ModuleOp, options: pipelines.PipelineOptions) -> list[list[Array]]:
    """What `module` is interpreted on: what calibrates it, else something random."""
    if options.calibrate is None or level_of(module) is not Level.NN:
        return [random_inputs(module)]
    try:
        return calibration_samples(module, options.calibrate, options.input_layout)
    except PassFailedException as error:
        raise UserError(str(error)) from error


def lower_within_ram(
    ctx: Context,
    compilation: Compilation,
    options: pipelines.PipelineOptions,
    callbacks: Sequence[Callback],
    *,
    verify_each: bool,
) -> None:
    """From an int8 network to planned calls within the budget of RAM."""
    assert options.ram is not None
    module = compilation.module
    before = module.clone()

    def lower(module: ModuleOp) -> None:
        run_passes(ctx, module, pipelines.kernels(options), callbacks, verify_each=verify_each)

    try:
        compilation.chosen_from, compilation.module = within_ram(
            module, options.ram, lower, plan_of
        )
    except UserError as error:
        raise with_smallest_arena(ctx, before, options, error) from error


def plan_of(module: ModuleOp) -> PlanView | None:
    """The memory plan of a module, None when it has none. UserError when it does not say how good it is."""
    planned, bound = planned_function(module), module.attributes.get(ARENA_LOWER_BOUND)
    if planned is None:
        return None
    if not isinstance(bound, IntegerAttr):
        raise UserError(f"the module lacks {ARENA_LOWER_BOUND}: compile it from an int8 network")
    return plan_view(planned, bound.value.data)


def check_arena(compilation: Compilation, ram: int) -> None:
    """UserError, naming the layer at the peak and its buffers, when the planned memory is larger than `ram`."""
    plan = plan_of(compilation.module)
    if plan is None or planned_bytes(plan) <= ram:
        return
    needs = [
        f"layer '{peak.layer}' needs {peak.bytes} bytes of RAM "
        f"({sum_text(peak.parts, peak.shared)}), "
        for peak in plan.peaks[:1]
    ]
    raise UserError(f"{''.join(needs)}--ram allows {ram}; {smallest_arena(plan)}")


def smallest_arena(plan: PlanView) -> str:
    """What the plan takes, in words."""
    return f"the smallest arena found takes {planned_bytes(plan)} bytes"


def with_smallest_arena(
    ctx: Context, module: ModuleOp, options: pipelines.PipelineOptions, error: UserError
) -> UserError:
    """The error with the arena under the least budget that can be met, if it is about one that cannot.

    `module` is the network in front of the passes that choose kernels.
    """
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, RamError):
        cause = cause.__cause__
    if cause is None:
        return error
    run_passes(ctx, module, pipelines.kernels(replace(options, ram=cause.least)), ())
    plan = plan_of(module)
    return error if plan is None else UserError(f"{error}; {smallest_arena(plan)}")


def chosen_cpu(args: argparse.Namespace, emit: pipelines.Emit) -> Cpu:
    """The processor to compile for, from kernels on with the release of CMSIS-NN in use."""
    try:
        directory = None if emit in ("nn", "qnn") else cmsis_nn.locate(args.cmsis_nn)
        release = PACKAGED if directory is None else read_release(directory / "Include")
        return cpu_named(args.target or "cortex-m4", release)
    except ValueError as error:
        raise UserError(str(error)) from error


def chosen_name(args: argparse.Namespace, module: ModuleOp) -> str:
    """The name of the network: as the user says, else as the IR says, else that of the file."""
    given = given_name(args, module)
    return network_name(args.model, args.name) if given is None else given


def given_name(args: argparse.Namespace, module: ModuleOp) -> str | None:
    """The name that IR text gives its network, unless the user wants another."""
    given = module.attributes.get(NAME)
    if args.name is None and is_ir(args.model) and isinstance(given, StringAttr):
        return given.data
    return None


def check_level(args: argparse.Namespace, module: ModuleOp, emit: pipelines.Emit) -> None:
    """UserError when what is read is already below what is asked for."""
    level = level_of(module).value
    if pipelines.STAGES.index(level) > pipelines.STAGES.index(emit):
        raise UserError(
            f"{args.model} is at the level of {level}, below --emit={emit}: "
            f"choose --emit={level} or lower"
        )
    target = module.attributes.get(TARGET)
    if args.target and isinstance(target, StringAttr) and target.data != args.target:
        raise UserError(
            f"{args.model} is compiled for {target.data} already: give its qnn IR for {args.target}"
        )


def pipeline_options(
    args: argparse.Namespace, cpu: Cpu, module: ModuleOp, examples: int | None
) -> pipelines.PipelineOptions:
    """The options of the passes; decides what calibrates the network."""
    if args.percentile is not None and args.observer != "percentile":
        raise UserError("--percentile needs --observer=percentile")
    memories = chosen_memories(args)
    calibrate: str | None = args.calibrate
    if calibrate is None and examples is not None and not is_quantized(module):
        calibrate = args.model
        if not args.quiet:
            warn(
                f"no --calibrate given, calibrating with the {examples} example "
                f"input{'s' if examples != 1 else ''} of {args.model}"
            )
    if calibrate is not None and not set(calibrate).isdisjoint(pipelines.NOT_QUOTED):
        raise UserError(
            f"{calibrate}: calibration data cannot be in a file with such a line break in its name: rename it"
        )
    return pipelines.PipelineOptions(
        target=cpu.name,
        cmsis_nn=cpu.cmsis_nn,
        calibrate=calibrate,
        observer=args.observer,
        percentile=99.99 if args.percentile is None else args.percentile,
        equalize=args.equalize,
        correct_biases=args.correct_biases,
        input_layout=args.input_layout,
        linear_weights=args.linear_weights,
        weights=args.weights,
        objective=args.objective,
        flash=args.flash,
        ram=args.ram,
        recipe=args.recipe,
        plan_seconds=args.plan_seconds,
        max_slowdown=args.max_slowdown,
        io=args.io,
        memories=memories,
        pins=Recipe(pins=parse_recipe(args.recipe).pins).text,
    )


def chosen_memories(args: argparse.Namespace) -> str:
    """The memories as passes write them. UserError when two have one name."""
    text = ",".join(args.memory)
    try:
        parse_memories(text)
    except ValueError as error:
        raise UserError(f"--memory: {error}") from error
    return text


def goal_of(args: argparse.Namespace, cpu: Cpu, module: ModuleOp) -> Goal:
    """What `select-sparse-formats` is to choose for, in the words of `args`. Raises ValueError as the pass would."""
    return SelectSparseFormatsPass(
        target=cpu.name,
        cmsis_nn=cpu.cmsis_nn,
        objective=args.objective,
        format=args.weights,
        flash=args.flash,
        ram=args.ram,
        recipe=args.recipe,
    ).goal(module)


def is_quantized(module: ModuleOp) -> bool:
    """Whether the network brings quantization of its own."""
    return level_of(module) is not Level.NN or any(op.name == "nn.quantize" for op in module.walk())
