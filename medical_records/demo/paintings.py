"""Paints the demo's photos: skin, X-rays of teeth, the back of an eye. None shows a person."""

import math
from collections.abc import Callable, Mapping
from io import BytesIO
from random import Random

from PIL import Image, ImageChops, ImageDraw, ImageFilter

SIDE = 900

#: Photos of one person have a number with the same remainder by their count: their skin is the same on all.
SKIN_TONES = [(236, 196, 172), (218, 170, 138), (186, 132, 100), (128, 84, 62)]


def paint(kind: str, seed: int) -> bytes:
    """Return an image of that kind as JPEG, the same for the same `seed`."""
    output = BytesIO()
    PAINTERS[kind](Random(seed), seed).save(output, "JPEG", quality=88)  # noqa: S311 - a painting is no secret
    return output.getvalue()


def _grain(image: Image.Image, random: Random, strength: float) -> Image.Image:
    side = SIDE // 3
    noise = Image.frombytes("L", (side, side), random.randbytes(side * side))
    noise = noise.point([round(128 + (value - 128) * strength) for value in range(256)])
    return ImageChops.overlay(image, noise.resize(image.size).convert("RGB"))


def _skin(random: Random, seed: int) -> Image.Image:
    image = Image.new("RGB", (SIDE, SIDE), SKIN_TONES[seed % len(SKIN_TONES)])
    spot = Image.new("L", image.size, 0)
    draw = ImageDraw.Draw(spot)
    x, y, size = random.randint(350, 550), random.randint(330, 520), random.randint(60, 130)
    for _ in range(14):
        angle, away = random.uniform(0, math.tau), random.uniform(0, size * 0.45)
        cx, cy, r = x + away * math.cos(angle), y + away * math.sin(angle), size * random.uniform(0.45, 0.75)
        draw.ellipse((cx - r, cy - r * 0.85, cx + r, cy + r * 0.85), fill=random.randint(150, 235))
    image.paste((88, 48, 34), mask=spot.filter(ImageFilter.GaussianBlur(9)))
    image = _grain(image, random, 0.3).filter(ImageFilter.GaussianBlur(1.2))
    _ruler(image)
    return image


def _ruler(image: Image.Image) -> None:
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, SIDE - 90, SIDE, SIDE), fill=(246, 246, 240))
    for mark in range(0, SIDE, 20):
        length = 42 if mark % 200 == 0 else 28 if mark % 100 == 0 else 16
        draw.line((mark, SIDE - 90, mark, SIDE - 90 + length), fill=(30, 30, 30), width=3)


def _x_ray(random: Random, _: int) -> Image.Image:
    image = Image.new("L", (SIDE, SIDE), 22)
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 520, SIDE, SIDE), fill=78)
    left = random.randint(-40, 10)
    while left < SIDE:
        width, top = random.randint(150, 190), random.randint(210, 250)
        draw.rounded_rectangle((left, top, left + width, 470), 46, fill=196)
        for root in (left + 22, left + width - 66):
            draw.polygon([(root, 450), (root + 44, 450), (root + 26, random.randint(720, 790))], fill=158)
        draw.rounded_rectangle((left + width // 2 - 16, 320, left + width // 2 + 16, 480), 14, fill=110)
        if random.random() < 0.3:
            draw.ellipse((left + 30, top - 4, left + 100, top + 56), fill=250)
        left += width + random.randint(6, 16)
    return _grain(image.filter(ImageFilter.GaussianBlur(5)).convert("RGB"), random, 0.3)


def _retina(random: Random, _: int) -> Image.Image:
    image = Image.new("RGB", (SIDE, SIDE), (6, 3, 3))
    draw = ImageDraw.Draw(image)
    draw.ellipse((40, 40, SIDE - 40, SIDE - 40), fill=(176, 70, 30))
    disc = (random.choice([260, 640]), random.randint(420, 470))
    for _ in range(11):
        _vessel(draw, random, disc)
    image = image.filter(ImageFilter.GaussianBlur(2.5))
    glow = Image.new("L", image.size, 0)
    ImageDraw.Draw(glow).ellipse((disc[0] - 58, disc[1] - 66, disc[0] + 58, disc[1] + 66), fill=235)
    image.paste((250, 206, 120), mask=glow.filter(ImageFilter.GaussianBlur(8)))
    inside = Image.new("L", image.size, 0)
    ImageDraw.Draw(inside).ellipse((40, 40, SIDE - 40, SIDE - 40), fill=255)
    return Image.composite(_grain(image, random, 0.2), Image.new("RGB", image.size, (6, 3, 3)), inside)


def _vessel(draw: ImageDraw.ImageDraw, random: Random, start: tuple[int, int]) -> None:
    x, y = map(float, start)
    angle, width = random.uniform(0, math.tau), random.uniform(7, 12)
    while width > 1.5:
        angle += random.uniform(-0.28, 0.28)
        end = (x + 26 * math.cos(angle), y + 26 * math.sin(angle))
        draw.line((x, y, *end), fill=(112, 24, 18), width=round(width))
        (x, y), width = end, width * 0.94


PAINTERS: Mapping[str, Callable[[Random, int], Image.Image]] = {"skin": _skin, "x-ray": _x_ray, "retina": _retina}
