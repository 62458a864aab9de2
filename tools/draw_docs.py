"""Draw the images of README and tutorial, as the tutorial's commands make them.

python tools/draw_docs.py            # those of the core and of `count`; with Chromium, the report's
python tools/draw_docs.py --trained  # and what a detector found, with torch, in about two minutes
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

import gtahead
from gtahead.counting import load_model
from gtahead.drawing import write_png
from gtahead.predictions import write_predictions
from gtahead.viewing.layers import STRIP
from gtahead.viewing.rules import draw_rules

IMAGES = Path(__file__).resolve().parents[1] / "docs" / "images"
WIDTH = 1280
STRIP_FRAME, STRIP_PX = "seq_01/000000", 560


def pixels(path: Path) -> npt.NDArray[np.uint8]:
    """Read an image."""
    image = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return np.asarray(image, np.uint8)


def keep(source: Path, name: str, width: int = WIDTH) -> None:
    """Store an image for the docs: JPEG, at most so wide."""
    image = pixels(source)
    if image.shape[1] > width:
        size = (width, round(image.shape[0] * width / image.shape[1]))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 84])[1]
    (IMAGES / name).write_bytes(data.tobytes())
    print(f"{name}: {len(data) / 1000:.0f} kB")


def screenshot(page: Path, out: Path) -> None:
    """Take a screenshot of the top of a page."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        tab = browser.new_page(viewport={"width": 1280, "height": 900}, color_scheme="light")
        tab.goto(page.as_uri())
        tab.screenshot(path=str(out))
        browser.close()


def strip(root: Path) -> None:
    """Draw the README's four images: a frame, its boxes, its density, and what is found in it."""
    gtahead.simulate(root / "strip", preset="crowds", seed=3, sequences=9, frames=1)
    gtahead.build(root / "strip", root / "strip-set")
    dataset = gtahead.Dataset.open(root / "strip-set")
    frame = dataset[STRIP_FRAME]
    rows = {}
    for one in dataset.split(str(frame.split)):
        found = gtahead.count(one.image())
        rows[one.frame_id] = {"boxes": found.boxes_xyxy, "scores": found.scores}
    least = load_model().threshold
    write_predictions(root / "strip.json", gtahead.Predictions.of(rows, threshold=least))
    views: dict[str, dict[str, Any]] = {
        "frame": {"layers": []},
        "boxes": {"layers": ["boxes"]},
        "density": {"layers": ["density"]},
        "found": {"predictions": root / "strip.json", "split": str(frame.split)},
    }
    words = {
        "frame": "a frame",
        "boxes": f"{frame.count} heads",
        "density": f"density: Σ {frame.count:.1f}",
        "found": "hits, missed, false",
    }
    for name, how in views.items():
        gtahead.view(root / "strip-set", [STRIP_FRAME], out=root / "s.png", **how)
        image = pixels(root / "s.png")[STRIP:]
        size = (STRIP_PX, round(image.shape[0] * STRIP_PX / image.shape[1]))
        small = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
        cv2.imwrite(str(root / "s.png"), captioned(small, words[name]))
        keep(root / "s.png", f"strip-{name}.jpg")


def captioned(image: npt.NDArray[np.uint8], words: str) -> npt.NDArray[np.uint8]:
    """Write words below an image, large enough to be read when it is small."""
    from PIL import Image, ImageDraw, ImageFont

    band = Image.new("RGB", (image.shape[1], 56), (24, 26, 28))
    font = ImageFont.truetype("DejaVuSans.ttf", 30)
    middle = (image.shape[1] / 2, 28)
    ImageDraw.Draw(band).text(middle, words, (240, 240, 240), font, anchor="mm")
    return np.vstack([image, np.asarray(band, np.uint8)[:, :, ::-1]])


def main() -> None:
    """Draw them."""
    parser = argparse.ArgumentParser(description="Draw the docs' images")
    parser.add_argument("--trained", action="store_true")
    trained = parser.parse_args().trained
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        gtahead.simulate(root / "captures")
        gtahead.build(root / "captures", root / "dataset")
        gtahead.view(root / "captures", layers=["boxes"], out=root / "a.png")
        keep(root / "a.png", "tutorial-capture.jpg")
        gtahead.view(root / "dataset", ["seq_02/000004"], layers=["density"], out=root / "b.png")
        keep(root / "b.png", "tutorial-density.jpg")
        tiles = []
        for layer in ("density", "heatmap"):
            gtahead.view(root / "dataset", ["seq_00/000004"], layers=[layer], out=root / "b.png")
            tiles.append(pixels(root / "b.png")[360:640, 300:780])
        cv2.imwrite(str(root / "b.png"), np.hstack(tiles))
        keep(root / "b.png", "maps.jpg")
        strip(root)
        gtahead.report(root / "dataset", root / "report.html")
        if shutil.which("chromium"):
            screenshot(root / "report.html", root / "c.png")
            keep(root / "c.png", "tutorial-report.jpg")
        else:
            print("no Chromium here: the report's image stays as it is", file=sys.stderr)
        gtahead.simulate(
            root / "crowd",
            size_wh=(1280, 720),
            heads=(150, 600),
            weather="CLEAR",
            hour=15.5,
            seed=3,
        )
        gtahead.build(root / "crowd", root / "crowd-set")
        write_png(root / "b.png", draw_rules(gtahead.Dataset.open(root / "crowd-set")))
        keep(root / "b.png", "rules.jpg")
        if trained:
            from gtahead.training.config import make_config

            gtahead.simulate(root / "lab", preset="mfl-lab")
            gtahead.build(root / "lab", root / "lab-set")
            gtahead.train(root / "lab-set", root / "run", config=make_config("tiny"))
            gtahead.predict(root / "run" / "model.pt", root / "lab-set", root / "p.json")
            gtahead.view(root / "lab-set", predictions=root / "p.json", out=root / "e.png")
            keep(root / "e.png", "tutorial-found.jpg")


if __name__ == "__main__":
    main()
