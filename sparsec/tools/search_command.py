# SPDX-License-Identifier: Apache-2.0
"""`sparsec search MODEL`: look for what each layer should become, by what the chip takes and what is right on test data."""

import argparse
import json
import shlex
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparsec.frontends.errors import FrontendError
from sparsec.quiet import only_our_messages
from sparsec.search.results import best_of, front_of, results_text
from sparsec.tools.console import Progress, print_table, progress
from sparsec.tools.emission import write_text
from sparsec.tools.errors import UserError
from sparsec.tools.options import Parser
from sparsec.tools.training_options import add_data_options, read_program, read_samples, settings_of

if TYPE_CHECKING:
    from sparsec.search.objectives import Objectives, Prices
    from sparsec.search.space import Space
    from sparsec.search.spending import Budget
    from sparsec.search.store import Store
    from sparsec.search.study import Study
    from sparsec.search.subject import Subject
    from sparsec.search.trials import Tried

SCHEMA_VERSION = 1
SPACE = "*: dense|unstructured 0.3..0.95"
TRIALS = 50
GRID = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
"""Shares of zeros of the engine uniform; what the engine greedy leaves of a price."""
STARTS = (0.5, 0.75)
"""The same for the candidates that other engines begin with."""
CALIBRATION = 64
"""Samples of --data that ranges of activations come from."""

EXAMPLES = """\
A space says for layers by name which patterns they may have and how many zeros: "conv*: unstructured|block(1x4) 0.3..0.95;
fc: dense|nm(2:4); observer = min-max|mse". Every candidate is priced by the compiler first, and trained only if it keeps the
limits on what it takes; what falls behind those that dominate it is given up. The study starts with uniform and greedy
candidates. It can be stopped at any moment and goes on with --resume; with --storage many workers share it, each started by
the same command, or with --storage, --study and --store alone where MODEL and data come from the store.

examples:
  sparsec search lenet.pt2 --data=train.npz --test=test.npz --engine=nsga2 --no-warm-start --trials=1 --epochs=1
  sparsec search --folder=run1 --choose=best --epochs=1 -o best   train the best one, write its C and a report
"""


def parser() -> argparse.ArgumentParser:
    """The options of the command."""
    from sparsec.search.study import ENGINES

    result = Parser(
        prog="sparsec search",
        description="Search for the pattern and the share of zeros of each layer, with accuracy, estimated cycles, flash and "
        "RAM of the chip as goals and limits. It needs Optuna: pip install sparsec[search].",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    result.add_argument(
        "model",
        metavar="MODEL",
        nargs="?",
        help="a float program of torch.export.save (.pt2); without it the study's own, from its store",
    )
    add_data_options(
        result.add_argument_group("training of a candidate, from the weights of MODEL")
    )
    group = result.add_argument_group("what is looked for")
    group.add_argument(
        "--space",
        metavar="TEXT|FILE",
        help=f"what each layer may become, e.g. 'conv*: unstructured|block(1x4) 0.3..0.95'; default '{SPACE}'",
    )
    group.add_argument(
        "--goals",
        metavar="LIST",
        help="of accuracy, cycles, flash, ram and macs, the first one first; default accuracy,cycles",
    )
    group.add_argument(
        "--limit",
        action="append",
        metavar="LIMIT",
        help="what every candidate must keep, e.g. 'flash<=200K', 'cycles<=0.5x' of the network as it is, 'accuracy>=0.9'; "
        "can be repeated",
    )
    group.add_argument(
        "--accuracy",
        choices=("int8", "float"),
        help="of which network; int8 is the device's own, by its C; default int8, e.g. float",
    )
    group.add_argument(
        "--target", metavar="CPU", help="processor, e.g. cortex-m55; default cortex-m4"
    )
    group.add_argument(
        "--compile",
        metavar="OPTIONS",
        help="of sparsec for every compilation, e.g. '--objective=flash --equalize'",
    )
    group = result.add_argument_group("how it is looked for")
    group.add_argument(
        "--engine",
        choices=ENGINES,
        help="who proposes candidates; uniform and greedy are lists that end, amc an agent, see --protocol; default tpe, "
        "e.g. nsga2",
    )
    group.add_argument(
        "--protocol",
        metavar="NAME",
        help="of --engine=amc: mac-constrained, accuracy-guaranteed, mac-constrained-experimental or punish-agent, with "
        "cycles, flash or ram in the place of mac too, e.g. cycles-constrained; default mac-constrained",
    )
    group.add_argument(
        "--density",
        type=float,
        metavar="X",
        help="of --engine=amc: the part of what its protocol counts that may be left, e.g. 0.5, which is the default",
    )
    group.add_argument(
        "--trials",
        type=int,
        metavar="N",
        help=f"candidates of all workers together, refused ones too; default {TRIALS} where no --steps, e.g. 100",
    )
    group.add_argument(
        "--steps",
        type=int,
        metavar="N",
        help="batches of training of all workers together, e.g. 20000, which compares engines fairly",
    )
    group.add_argument(
        "--no-warm-start",
        dest="warm_start",
        action="store_false",
        help="do not begin with uniform and greedy candidates, e.g. to compare engines",
    )
    group = result.add_argument_group("where it lies")
    group.add_argument(
        "--folder",
        type=Path,
        metavar="DIR",
        help="for the study, its store and the results; default NAME-search, e.g. run1",
    )
    group.add_argument(
        "--storage",
        metavar="URL",
        help="a file for SQLite, journal:FILE, or postgresql://USER@HOST/DATABASE; default study.db in --folder",
    )
    group.add_argument(
        "--study", default="search", metavar="NAME", help="in the storage; default search, e.g. s1"
    )
    group.add_argument(
        "--store",
        metavar="DIR|URL",
        help="model, data and checkpoints for workers elsewhere, by their checksums, any URL of fsspec; default store in "
        "--folder, e.g. s3://bucket/run1",
    )
    group.add_argument(
        "--resume",
        action="store_true",
        help="go on with the study in --folder; one in --storage is joined without it",
    )
    group = result.add_argument_group("what comes of it")
    group.add_argument(
        "--choose",
        metavar="N|best",
        help="search no more: train this candidate for --epochs, compile it, write it with a report, e.g. best",
    )
    group.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="DIR",
        help="of --choose: the C project with model.pt2, search.json and search.md; default chosen-N in --folder",
    )
    result.add_argument("--json", action="store_true", help="print one JSON object")
    result.add_argument("-q", "--quiet", action="store_true", help="print no progress")
    return result


@dataclass(frozen=True)
class Files:
    """The model and the data of a search as files of this machine."""

    model: str
    data: str
    test: str
    labels: str


@dataclass(frozen=True)
class Search:
    """All that a search is of."""

    subject: "Subject"
    space: "Space"
    objectives: "Objectives"
    identity: dict[str, str]
    words: list[str]
    """Options of its compilations."""


def folder_of(args: argparse.Namespace) -> Path:
    """Where results go. UserError where nothing says."""
    if args.folder is not None:
        return Path(args.folder)
    if args.model is not None:
        return Path(f"{Path(args.model).stem}-search")
    if args.storage is not None:
        return Path(f"{args.study}-search")
    raise UserError("give MODEL, or --folder or --storage of a study that was begun before")


def fill_in(args: argparse.Namespace, url: str, folder: Path) -> bool:
    """Take what `args` leave open from the study, if there is one, else from the defaults; whether there is one.

    UserError where the command makes no sense for what is there.
    """
    from sparsec.search.identity import stored

    path = url.removeprefix("sqlite:///")
    found = None
    if args.storage is not None or Path(path).exists():
        found = stored(url, args.study)
    if found is None and (args.model is None or args.resume or args.choose is not None):
        from sparsec.search.storages import shown

        raise UserError(f"there is no study '{args.study}' in {shown(url)}: begin one with MODEL")
    if found is not None and args.storage is None and not (args.resume or args.choose):
        raise UserError(f"{folder} holds a study: go on with --resume, or name another --folder")
    identity, asked = found or ({}, {})
    for name, default in (
        ("space", SPACE),
        ("goals", "accuracy,cycles"),
        ("accuracy", "int8"),
        ("target", "cortex-m4"),
        ("compile", ""),
    ):
        if getattr(args, name) is None:
            setattr(args, name, identity.get(name, default))
    if args.limit is None:
        args.limit = [each for each in identity.get("limits", "").split(", ") if each]
    args.engine = args.engine or asked.get("engine", "tpe")
    if args.trials is None and args.steps is None:
        args.trials, args.steps = asked.get("trials"), asked.get("steps")
        if args.trials is None and args.steps is None:
            args.trials = TRIALS
    if args.engine != "amc" and (args.protocol is not None or args.density is not None):
        raise UserError("--protocol and --density are of --engine=amc")
    args.protocol = args.protocol or asked.get("protocol") or "mac-constrained"
    args.density = args.density or asked.get("density") or 0.5
    if args.model is None:
        trained = json.loads(identity["training"])
        if args.choose is None:
            args.epochs = trained["epochs"]
        args.learning_rate, args.optimizer = trained["learning_rate"], trained["optimizer"]
        args.batch, args.seed = trained["batch"], trained["seed"]
    args.identity = identity
    return found is not None


def files_of(args: argparse.Namespace, store: "Store", folder: Path) -> Files:
    """The files that are given, or those of the store. UserError where there are none."""
    if args.model is not None:
        if args.choose is not None:
            raise UserError("--choose takes the model of the study: leave MODEL out")
        if args.data is None or args.test is None:
            raise UserError("a search trains and tests: give --data and --test, .npz files")
        return Files(args.model, args.data, args.test, args.labels)
    if args.data is not None or args.test is not None:
        raise UserError("--data and --test go with MODEL: a study has its own")
    target = folder / "from-store"
    target.mkdir(parents=True, exist_ok=True)
    paths: dict[str, str] = {}
    for name, ending in (("model", "pt2"), ("data", "npz"), ("test", "npz"), ("labels", "npy")):
        said = args.identity[name]
        if name == "labels" and not said.startswith("file "):
            paths[name] = said
            continue
        content = store.get(said.removeprefix("file "))
        path = target / f"{name}.{ending}"
        path.write_bytes(content)
        paths[name] = str(path)
    return Files(**paths)


def search_of(args: argparse.Namespace, files: Files) -> Search:
    """The network with its data, space and objectives. UserError where they make no sense."""
    from sparsec.search.objectives import parse_objectives
    from sparsec.search.space import parse_space
    from sparsec.search.store import checksum
    from sparsec.search.subject import Subject
    from sparsec.tools.chip import Chip

    with only_our_messages():
        program = read_program(files.model)
    data = read_samples(files.data, files.labels, program, args.batch)
    test = read_samples(files.test, files.labels, program, 1024)
    words = [f"--target={args.target}", "--no-import-check", *shlex.split(args.compile)]
    inputs = [data.inputs[:CALIBRATION]]
    subject = Subject(
        program,
        inputs,
        data,
        test,
        Chip(inputs, words),
        settings_of(args),
        int8=args.accuracy == "int8",
    )
    path = Path(args.space)
    try:
        is_file = not any(each in args.space for each in ":=;") and args.space
        text = path.read_text() if is_file else args.space
        space = parse_space(text, subject.layers)
        objectives = parse_objectives(args.goals, args.limit)
    except (ValueError, OSError) as error:
        raise UserError(str(error)) from error
    if "width" in space.settings:
        raise UserError(
            "--space: width is chosen where Python builds the network (Subject's build)"
        )
    training = {
        name: getattr(args, name)
        for name in ("epochs", "learning_rate", "optimizer", "batch", "seed")
    }
    labels = files.labels
    if Path(labels).suffix in (".npy", ".npz"):
        labels = f"file {checksum(Path(labels).read_bytes())}"
    identity = {
        "model": checksum(Path(files.model).read_bytes()),
        "data": checksum(Path(files.data).read_bytes()),
        "test": checksum(Path(files.test).read_bytes()),
        "labels": labels,
        "space": space.text,
        "goals": ",".join(objectives.goals),
        "limits": ", ".join(limit.text for limit in objectives.limits),
        "accuracy": args.accuracy,
        "target": args.target,
        "compile": args.compile,
        "training": json.dumps(training),
    }
    if args.choose is not None:  # --epochs are of the training that comes then
        identity = args.identity
    return Search(subject, space, objectives, identity, words)


def stored_files(files: Files, store: "Store") -> None:
    """Keep the files for workers elsewhere."""
    for path in (files.model, files.data, files.test, files.labels):
        if Path(path).suffix in (".pt2", ".pt", ".npz", ".npy"):
            store.put(Path(path).read_bytes())


def begin(
    args: argparse.Namespace, search: Search, study: "Study", report_progress: Progress
) -> None:
    """What whoever begins a study does: measure the network as it is, put the first candidates in front."""
    from sparsec.search.baselines import greedy, look, uniform
    from sparsec.search.space import Candidate

    subject = search.subject
    report_progress("the network as it is")
    study.note_dense(subject.dense, subject.accuracy(subject.model, Candidate({})))
    ours = args.engine
    if ours == "uniform" or (args.warm_start and ours not in ("greedy", "amc")):
        ratios = GRID if ours == "uniform" else STARTS
        study.put_first(uniform(search.space, ratios), "uniform")
    if ours == "greedy" or (args.warm_start and ours not in ("uniform", "amc")):
        looks = look(subject, search.space, progress=report_progress)
        kept = GRID[::-1] if ours == "greedy" else STARTS
        study.put_first(greedy(subject, search.space, search.objectives, looks, kept), "greedy")
    study.note_asked(
        {name: getattr(args, name) for name in ("engine", "trials", "steps", "protocol", "density")}
    )


def searched(
    args: argparse.Namespace, search: Search, url: str, store: "Store", folder: Path
) -> tuple["Study", str]:
    """The study after all that this worker did; why it ended."""
    from sparsec.search.baselines import check_feasible
    from sparsec.search.spending import Budget
    from sparsec.search.study import Study

    budget = Budget(args.trials, args.steps)
    with progress(args.quiet or args.json) as report_progress:
        report_progress("the network as it is, and the cheapest candidate")
        _ = search.subject.dense  # what cannot be compiled begins no study
        check_feasible(search.subject, search.space, search.objectives)
        walk = agent_of(args, search) if args.engine == "amc" else None
        study = Study(
            url,
            args.study,
            search.space,
            search.objectives,
            search.identity,
            engine=args.engine,
            seed=args.seed,
        )
        if study.began:
            begin(args, search, study, report_progress)
        if walk is not None:
            return study, walk(study, budget, store, folder, report_progress)
        ended = study.work(
            search.subject, budget, store=store, folder=folder, progress=report_progress
        )
    return study, ended


def agent_of(args: argparse.Namespace, search: Search) -> Callable[..., str]:
    """How the agent of --engine=amc goes on in a study. UserError where it cannot walk over the space."""
    from sparsec.search.amc.in_studies import check_protocol, costs_of, settings_for, walk_in
    from sparsec.search.amc.protocols import parse_protocol
    from sparsec.search.amc.spaces import walk_over

    subject = search.subject
    protocol = parse_protocol(args.protocol)
    check_protocol(protocol, args.density, search.objectives, subject.dense)
    walk = walk_over(subject.model, subject.inputs, search.space)
    costs = costs_of(walk, protocol.metric, lambda model: subject.compiler.prices(model, {}))
    settings = settings_for(args.trials or TRIALS, args.seed)

    def go(
        study: "Study", budget: "Budget", store: "Store", folder: Path, report_progress: Progress
    ) -> str:
        return walk_in(
            study,
            subject,
            walk,
            costs,
            protocol,
            args.density,
            settings,
            budget,
            store=store,
            folder=folder,
            progress=report_progress,
        )

    return go


def dense_of(study: "Study") -> tuple["Prices", float]:
    """What the network as it is takes and gives. UserError where whoever began the study has not measured it yet."""
    found = study.dense
    if found is None:
        raise UserError("the study has just been begun by another worker: try again in a minute")
    return found


def report_of(study: "Study", ended: str) -> dict[str, Any]:
    """The content of --json."""
    dense, accuracy = dense_of(study)
    results = study.results()
    states = [each.state for each in results]
    return {
        "schema_version": SCHEMA_VERSION,
        "goals": list(study.objectives.goals),
        "limits": [limit.text for limit in study.objectives.limits],
        "space": study.space.text,
        "engine": study.engine,
        "ended": ended,
        "candidates": {state: states.count(state) for state in dict.fromkeys(states)},
        "steps": sum(each.steps for each in results),
        "dense": {**asdict(dense), "accuracy": accuracy},
        "front": [entry(each) for each in front_of(results, study.objectives, dense)],
    }


def entry(tried: "Tried") -> dict[str, Any]:
    """A candidate as JSON."""
    assert tried.prices is not None
    return {
        "number": tried.number,
        "origin": tried.origin,
        "accuracy": tried.accuracy,
        **asdict(tried.prices),
        "steps": tried.steps,
        "candidate": tried.candidate.text,
    }


def write_results(study: "Study", folder: Path, title: str) -> list[Path]:
    """front.csv, candidates.csv and, where plotly is installed, search.html; what was written."""
    from sparsec.search.pages import page

    dense = dense_of(study)
    results = study.results()
    front = front_of(results, study.objectives, dense[0])
    texts = {
        "front.csv": results_text(front, front),
        "candidates.csv": results_text(results, front),
    }
    try:
        texts["search.html"] = page(title, results, study.objectives, dense)
    except ValueError:
        pass  # no plotly: the tables say the same
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        write_text(text, folder / name)
    return [folder / name for name in texts]


def summarize(report: dict[str, Any], written: Sequence[Path]) -> None:
    """The front as a table, and what else there is to say."""
    columns = ("accuracy", "cycles", "flash", "ram", "macs")
    rows = [
        [
            name,
            origin,
            f"{each['accuracy']:.4f}",
            *(each[column] for column in columns[1:]),
            shown(candidate),
        ]
        for name, origin, each, candidate in [
            ("as it is", "", report["dense"], ""),
            *(
                (str(each["number"]), each["origin"], each, each["candidate"])
                for each in report["front"]
            ),
        ]
    ]
    title = f"{', '.join(report['goals'])}: {len(report['front'])} that nothing dominates"
    print_table(title, ("number", "origin", *columns, "candidate"), rows)
    counts = ", ".join(f"{count} {state}" for state, count in report["candidates"].items())
    print(f"candidates {counts}; {report['steps']:,} steps of training; {report['ended']}")
    print(f"written to {', '.join(map(str, written))}")


def shown(candidate: str) -> str:
    """A candidate for a table: short numbers, as much as fits a line."""
    from sparsec.search.space import parse_candidate

    parsed = parse_candidate(candidate) if candidate else None
    if parsed is None:
        return ""
    parts = [
        f"{name}: {share.pattern.label} {share.ratio:.2f}" for name, share in parsed.shares.items()
    ]
    parts += [f"{name} = {value}" for name, value in parsed.settings.items()]
    text = "; ".join(parts) or "dense"
    return text if len(text) <= 80 else f"{text[:77]}..."


def chosen_of(study: "Study", choice: str) -> "Tried":
    """The candidate of --choose. UserError where there is none such."""
    results = study.results()
    if choice == "best":
        found = best_of(results, study.objectives, dense_of(study)[0])
        if found is None:
            raise UserError("no candidate was trained to its end and keeps the limits")
        return found
    found = next((each for each in results if str(each.number) == choice), None)
    if found is None or found.prices is None:
        raise UserError(
            f"--choose: there is no candidate {choice[:20]} with a result; see candidates.csv, or write best"
        )
    return found


def choose(args: argparse.Namespace, search: Search, url: str, folder: Path) -> int:
    """`--choose`: the candidate trained, compiled and written."""
    from sparsec.search.study import Study
    from sparsec.tools import search_report

    with closing(Study(url, args.study, search.space, search.objectives, search.identity)) as study:
        tried = chosen_of(study, args.choose)
    output = args.output or folder / f"chosen-{tried.number}"
    with progress(args.quiet or args.json) as report_progress:
        made = search_report.made(search.subject, tried, search.words, report_progress)
    search_report.write(made, output)
    if args.json:
        print(json.dumps(made.report, indent=2))
    else:
        print(made.text)
        print(f"written to {output}")
    return 0


def main(arguments: Sequence[str]) -> int:
    """`sparsec search`."""
    from sparsec.search.storages import storage_url
    from sparsec.search.store import Store

    args = parser().parse_args(arguments)
    try:
        folder = folder_of(args)
        url = storage_url(args.storage or str(folder / "study.db"))
        fill_in(args, url, folder)
        store = Store(args.store or str(folder / "store"))
        files = files_of(args, store, folder)
        search = search_of(args, files)
        if args.choose is not None:
            return choose(args, search, url, folder)
        stored_files(files, store)
        study, ended = searched(args, search, url, store, folder / "checkpoints")
        with closing(study):
            report = report_of(study, ended)
            written = write_results(study, folder, Path(files.model).stem)
    except (ValueError, FrontendError) as error:
        raise UserError(str(error)) from error
    if args.json:
        print(json.dumps(report, indent=2))
    else:
        summarize(report, written)
    return 0
