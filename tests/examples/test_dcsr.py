# SPDX-License-Identifier: Apache-2.0
"""dCSR's trainings: its networks, its sweep, its flags, on tiny data in the layouts that they take."""

import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from examples import datasets
from examples.dcsr import train_kws, train_mnetv2
from examples.dcsr.networks import DSCNN, MobileNetV2
from examples.dcsr.sweep import prunable
from examples.export import load_program
from sparsec.compress.layers import layers_of, selected


@pytest.mark.parametrize(
    ("size", "weights", "layers"), [("s", 34816, 5), ("m", 242176, 5), ("l", 579600, 6)]
)
def test_its_networks_for_keywords(size: str, weights: int, layers: int) -> None:
    """Of the sizes of the models that it ships: of linear and 1x1 layers alone, with its twelve classes."""
    model = DSCNN(size, (1, 49, 10), 12)
    found = selected(layers_of(model), prunable([]))
    assert (sum(layer.weight.numel() for layer in found), len(found)) == (weights, layers)
    assert model.eval()(torch.zeros(2, 1, 49, 10)).shape == (2, 12)


def test_its_mobilenet() -> None:
    model = MobileNetV2(1.0, 0.1, 3, 10)
    found = {layer.name for layer in selected(layers_of(model), prunable(["blocks.1"]))}
    assert {"head.0", "classifier", "blocks.11.body.0", "blocks.10.body.6"} < found
    assert not any(name.startswith(("blocks.1.", "stem")) for name in found)
    assert (
        sum(value.numel() for value in model.parameters()) == 2_236_682
    )  # torchvision's, with ten classes
    for width in (0.25, 1.0):
        assert MobileNetV2(width, 0.1, 3, 10).get_parameter("head.0.weight").shape[0] == 1280


def record(path: Path, sound: Any, **words: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(words.get("rate", 16000))
        file.writeframes((np.asarray(sound) * 32767).astype("<i2").tobytes())


def tone(hertz: float, samples: int = 16000) -> Any:
    return 0.5 * np.sin(2 * np.pi * hertz * np.arange(samples) / 16000)


def commands(folder: Path) -> Path:
    for number in range(10):
        record(folder / "yes" / f"{number}.wav", tone(300 + number))
        record(folder / "bed" / f"{number}.wav", tone(2000 + number, 9000))
    return folder


def test_the_sweep_on_keywords(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each program has the zeros of its name in linear and 1x1 layers alone; the dense weights are read again."""
    assert train_kws.SPARSITIES == (0.70, 0.75, 0.80, 0.85, 0.90, 0.95)
    monkeypatch.setattr(train_kws, "SPARSITIES", (0.70, 0.95))
    weights, output = tmp_path / "dense.pt", tmp_path / "output"
    flags = [
        "-e1",
        "-p1",
        "-r1",
        "-as",
        "-w",
        str(weights),
        f"--data={commands(tmp_path / 'words')}",
        f"--output={output}",
    ]
    assert train_kws.main(flags) == 0
    said = capsys.readouterr().out
    assert "kws_s_dense: sparsity 0.0000" in said and "kws_s_95: sparsity 0.9500, accuracy" in said
    state = load_program(output / "kws_s_70.pt2").state_dict
    for name in ("blocks.0.pointwise.0", "classifier"):
        assert state[f"{name}.weight"].eq(0).float().mean() == pytest.approx(0.7, abs=1e-3)
    assert state["blocks.0.depthwise.1.weight"].all() and state["stem.1.weight"].all()
    rows = (output / "kws_s_70" / "history.csv").read_text().splitlines()
    assert [round(float(row.split(",")[3]), 2) for row in rows[1:]] == [0.7, 0.7]
    torch.save({"other": torch.zeros(1)}, weights)
    assert train_kws.main(flags) == 2
    assert capsys.readouterr().err.endswith("does not hold the weights of this model\n")


def test_zeros_grow_from_half_the_target(tmp_path: Path) -> None:
    """And the first blocks stay dense, which -x says."""
    folder = tmp_path / "cifar-10-batches-bin"
    folder.mkdir()
    records = torch.randint(0, 10, (12, 3073), dtype=torch.uint8).numpy().tobytes()
    for name in ("data_batch_1", "test_batch"):
        (folder / f"{name}.bin").write_bytes(records)
    output = tmp_path / "output"
    flags = "-e1 -p2 -r0 -o.1 -w.25 -s.75 -x11 -d".split()
    flags += ["-b", str(tmp_path / "base.pt"), f"--data={tmp_path}", f"--output={output}"]
    assert train_mnetv2.main(flags) == 0
    rows = (output / "mnetv2_75" / "history.csv").read_text().splitlines()
    assert [round(float(row.split(",")[3]), 2) for row in rows[1:]] == [0.38, 0.75]
    state = load_program(output / "mnetv2_75.pt2").state_dict
    assert state["blocks.11.body.0.weight"].eq(0).float().mean() == pytest.approx(0.75, abs=1e-2)
    assert state["blocks.10.body.0.weight"].all() and (tmp_path / "base.pt").is_file()


def test_mel_frequency_cepstral_coefficients() -> None:
    """Of one frame, by numpy and the textbook."""
    sound = np.random.default_rng(0).normal(size=16000).astype(np.float32) / 10
    found = datasets.mfcc(torch.from_numpy(sound))
    assert found.shape == (1, 49, 10)
    frame = sound[320 * 7 : 320 * 7 + 640] * (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(640) / 640))
    power = np.abs(np.fft.rfft(frame)) ** 2
    low, high = (float(2595 * np.log10(1 + hertz / 700)) for hertz in (20, 4000))
    mel = np.linspace(low, high, 42)
    edges = 700 * (10 ** (mel / 2595) - 1)
    hertz = np.arange(321) * 25.0
    logs = np.array(
        [np.log(power @ np.interp(hertz, edges[i : i + 3], [0, 1, 0]) + 1e-6) for i in range(40)]
    )
    expected = [sum(logs * np.cos(np.pi / 40 * k * (np.arange(40) + 0.5))) for k in range(10)]
    np.testing.assert_allclose(found[0, 7].numpy(), expected, rtol=1e-3, atol=1e-3)


def test_parts_of_speech_commands(tmp_path: Path) -> None:
    folder = commands(tmp_path)
    (train, labels), (test, held) = datasets.speech_commands(folder)
    assert (len(train), len(test)) == (18, 2)
    assert labels.tolist() == [10] * 9 + [0] * 9 and held.tolist() == [10, 0]
    (folder / "testing_list.txt").write_text("yes/3.wav\nbed/4.wav\nyes/5.wav\n")
    (folder / "validation_list.txt").write_text("yes/6.wav\n")
    (train, _), (test, held) = datasets.speech_commands(folder)
    assert (len(train), held.tolist()) == (16, [10, 0, 0])


@pytest.mark.parametrize(
    ("module", "flags", "message"),
    [
        (train_kws, "", "Fashion-MNIST is not in {folder}/none: sudo apt-get install dataset-fashion-mnist"),
        (train_kws, "--data={folder}/none", "there is no folder {folder}/none"),
        (train_kws, "--data={folder}/empty", "give MNIST's four IDX files"),
        (train_kws, "--data={folder}/fast", "0.wav is not mono with 16 bits at 16 kHz"),
        (train_kws, "--data={folder}/broken", "0.wav is no wav file"),
        (train_kws, "--data={folder}/records", "is no batch of CIFAR-10"),
        (train_kws, "-e0", "-e and -p are one epoch or more"),
        (train_mnetv2, "-w0", "-w is above 0 and at most 2"),
        (train_mnetv2, "-e1 -s1.5 -w.25 -b {folder}/base.pt --data={folder}/cifar", "a ratio of zeros is at least 0 and below 1, not 1.5"),
    ],
)  # fmt: skip
def test_flags_without_sense(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    module: Any,
    flags: str,
    message: str,
) -> None:
    monkeypatch.setattr(datasets, "FASHION_MNIST", tmp_path / "none")
    for name in ("empty", "records", "cifar"):
        (tmp_path / name).mkdir()
    record(tmp_path / "fast" / "yes" / "0.wav", tone(300), rate=44100)
    record(tmp_path / "broken" / "yes" / "0.wav", tone(300))
    (tmp_path / "broken" / "yes" / "0.wav").write_bytes(b"no sound")
    for name in ("data_batch_1", "test_batch"):
        (tmp_path / "records" / f"{name}.bin").write_bytes(b"short")
        (tmp_path / "cifar" / f"{name}.bin").write_bytes(bytes(3073 * 2))
    torch.save(MobileNetV2(0.25, 0.1, 3, 1).state_dict(), tmp_path / "base.pt")
    words = flags.format(folder=tmp_path).split()
    assert module.main([*words, f"--output={tmp_path / 'output'}"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1
    assert message.format(folder=tmp_path) in error
