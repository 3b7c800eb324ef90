# SPDX-License-Identifier: Apache-2.0
"""A small detector in the way of YOLO, its loss, and mean average precision; nothing here imports sparsec.

Images of 32x32 have one to three boxes on noise, filled or hollow: the two classes. A box is [class, x, y, w, h], its
centre and size as parts of the image.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

GRID, CLASSES, SIZE = 8, 2, 32

Boxes = list[Tensor]
"""For each image its boxes [count, 5]."""


def unit(in_channels: int, out_channels: int, stride: int = 1, kernel: int = 3) -> nn.Sequential:
    """A convolution, a batch norm, a ReLU."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(),
    )


class Detector(nn.Module):
    """[N, 3, 32, 32] to [N, 5 + classes, 8, 8]: for each cell whether a box has its centre there, x, y, w, h, classes."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = unit(3, 16, 2)
        self.down = unit(16, 32, 2)
        self.first = unit(32, 24)
        self.second = unit(24, 24)
        self.fuse = unit(48, 32, kernel=1)
        self.head = unit(32, 32)
        self.out = nn.Conv2d(32, 5 + CLASSES, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(self.down(self.stem(x)))
        return self.out(self.head(self.fuse(torch.cat([x, self.second(x)], 1))))


def scenes(count: int, seed: int) -> tuple[Tensor, Boxes]:
    """Images and their boxes."""
    random = torch.Generator().manual_seed(seed)
    images = torch.rand(count, 3, SIZE, SIZE, generator=random) * 0.3
    boxes: Boxes = []
    for image in images:
        found: list[list[float]] = []
        places = torch.randperm(4, generator=random)[: 1 + _drawn(random, 0, 3)]
        for place in map(int, places):
            x, y = 16 * (place % 2) + _drawn(random, 0, 4), 16 * (place // 2) + _drawn(random, 0, 4)
            w, h = (min(_drawn(random, 7, 13), SIZE - at) for at in (x, y))
            label = _drawn(random, 0, 2)
            image[:, y : y + h, x : x + w] = 1.0
            if label:
                image[:, y + 2 : y + h - 2, x + 2 : x + w - 2] = 0.1
            found.append([label, (x + w / 2) / SIZE, (y + h / 2) / SIZE, w / SIZE, h / SIZE])
        boxes.append(torch.tensor(found))
    return images, boxes


def _drawn(random: torch.Generator, low: int, high: int) -> int:
    return int(torch.randint(low, high, (1,), generator=random))


def loss_of(output: Tensor, boxes: Boxes) -> Tensor:
    """Of a batch."""
    wanted = torch.zeros(len(boxes), GRID, GRID, device=output.device)
    loss = output.new_zeros(())
    for index, found in enumerate(boxes):
        for label, x, y, w, h in (map(float, box) for box in found):
            column, row = min(int(x * GRID), GRID - 1), min(int(y * GRID), GRID - 1)
            wanted[index, row, column] = 1
            cell = output[index, :, row, column]
            place = torch.tensor([x * GRID - column, y * GRID - row, w, h], device=output.device)
            loss = loss + 5 * (cell[1:5].sigmoid() - place).abs().sum()
            loss = loss + F.cross_entropy(cell[5:], torch.tensor(int(label), device=output.device))
    count = max(sum(map(len, boxes)), 1)
    sure = F.binary_cross_entropy_with_logits(output[:, 0], wanted, reduction="sum")
    return (loss + sure) / count


def decoded(output: Tensor) -> list[Tensor]:
    """Of each image [count, 6]: score, class, x, y, w, h; of boxes of a class that overlap by half the best one."""
    cells = torch.arange(GRID)
    found: list[Tensor] = []
    for image in output.detach().cpu():
        place = image[1:5].sigmoid()
        x, y = (place[0] + cells) / GRID, (place[1] + cells[:, None]) / GRID
        best = image[5:].softmax(0).max(0)
        score = image[0].sigmoid() * best.values
        rows = torch.stack([score, best.indices.float(), x, y, place[2], place[3]], -1).reshape(
            -1, 6
        )
        rows = rows[rows[:, 0] > 0.05]
        found.append(_apart(rows[rows[:, 0].argsort(descending=True, stable=True)]))
    return found


def _apart(rows: Tensor) -> Tensor:
    kept: list[Tensor] = []
    for row in rows:
        if all(row[1] != each[1] or overlap(row[2:], each[2:]) < 0.5 for each in kept):
            kept.append(row)
    return torch.stack(kept) if kept else rows[:0]


def overlap(a: Tensor, b: Tensor) -> float:
    """Intersection over union of two boxes x, y, w, h."""
    low = torch.maximum(a[:2] - a[2:] / 2, b[:2] - b[2:] / 2)
    high = torch.minimum(a[:2] + a[2:] / 2, b[:2] + b[2:] / 2)
    both = float((high - low).clamp_min(0).prod())
    return both / max(float(a[2:].prod() + b[2:].prod()) - both, 1e-9)


def mean_average_precision(found: list[Tensor], boxes: Boxes, threshold: float) -> float:
    """The mean over classes of the area below precision against recall, a match being that much overlap."""
    areas: list[float] = []
    for label in range(CLASSES):
        total = sum(int((each[:, 0] == label).sum()) for each in boxes)
        if total == 0:
            continue
        guesses = sorted(
            (
                (float(row[0]), image, row[2:])
                for image, rows in enumerate(found)
                for row in rows
                if int(row[1]) == label
            ),
            key=lambda each: -each[0],
        )
        taken: set[tuple[int, int]] = set()
        hits: list[int] = []
        for _, image, place in guesses:
            able = [
                (overlap(place, box[1:]), index)
                for index, box in enumerate(boxes[image])
                if int(box[0]) == label and (image, index) not in taken
            ]
            best = max(able, default=(0.0, -1))
            hits.append(int(best[0] >= threshold))
            if hits[-1]:
                taken.add((image, best[1]))
        areas.append(_area(hits, total))
    return sum(areas) / max(len(areas), 1)


def _area(hits: list[int], total: int) -> float:
    """Precision at each hit, made to fall with recall."""
    right = torch.tensor(hits, dtype=torch.float64).cumsum(0)
    precision = right / torch.arange(1, len(hits) + 1)
    falling = precision.flip(0).cummax(0).values.flip(0) if hits else precision
    return float((falling * torch.tensor(hits)).sum()) / total
