"""The page of `millrace report`, looked at and clicked on in headless Chromium at phone and desktop width, light and dark."""

import json
import os
import pathlib
import re
import shutil
import subprocess

import numpy as np
import pytest

from browser import Browser

ROOT = pathlib.Path(__file__).parents[2]
MILLRACE = os.environ.get("MILLRACE", ROOT / "build" / "release" / "bin" / "millrace")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SIZES = [(390, 844), (1280, 900)]
SCHEMES = ["light", "dark"]

if not CHROMIUM:
    pytest.skip("chromium is not installed", allow_module_level=True)


def write_run(folder, env, policy, seed, slope):
    """A run of 3000 steps with evaluations at each 1000, whose returns are slope * steps / 1000 + episode."""
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(f"env: {env}\npolicy: {policy}\nseed: {seed}\nsteps: 3000\n")
    progress = ["time/total_timesteps,time/time_elapsed,train/n_updates,train/q_mean,rollout/ep_rew_mean,rollout/reward_ctrl,rollout/x_velocity"]
    evaluations = ["time/total_timesteps,eval/mean_reward,eval/std_reward,eval/mean_ep_length,eval/returns,eval/lengths"]
    for k in 1, 2, 3:
        progress.append(f"{k}000,{60 * k * seed},{k}000,{k},{k},{-k},{k / 2}")
        returns = slope * k + np.arange(4)
        evaluations.append(f"{k}000,{returns.mean()},1,5,{' '.join(map(str, returns))},5 5 5 5")
    (folder / "progress.csv").write_text("\n".join(progress) + "\n")
    (folder / "evaluations.csv").write_text("\n".join(evaluations) + "\n")
    (folder / "trainer.json").write_text(json.dumps({
        "format": "millrace.trainer", "state": "finished", "pid": 1, "host": "<somewhere>", "version": "9.8.7",
        "engine": "MuJoCo", "engine_version": "6.5.4", "began": "2026-01-01T00:00:00Z", "ended": "2026-01-02T00:00:00Z",
    }))


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    for seed in 1, 2, 3, 4, 5:
        write_run(folder / "runs" / f"a{seed}", "Hopper-v5", "gaussian", seed, 10 * seed)
    write_run(folder / "runs" / "b1", "Hopper-v5", "real_nvp", 1, 5)
    write_run(folder / "runs" / "c1", "Ant-v5", "gaussian", 1, 100)
    (folder / "runs" / "c1" / "jump.mp4").write_bytes(b"not really a film")
    path = folder / "report.html"
    subprocess.run([MILLRACE, "report", folder / "runs", "--out", path, "--title", "Legs & <more>"], check=True, capture_output=True)
    return path


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    it = Browser(CHROMIUM, tmp_path_factory.mktemp("profile"))
    yield it
    it.close()


@pytest.fixture
def opened(browser, page):
    browser.show(1280, 900, "light")
    browser.open(page)
    return browser


def luminance(colour):
    """Relative luminance of "rgb(1, 2, 3)" (WCAG 2)."""
    channels = np.array([float(number) for number in re.findall(r"[\d.]+", colour)[:3]]) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


def contrast(a, b):
    low, high = sorted([luminance(a), luminance(b)])
    return (high + 0.05) / (low + 0.05)


def style(browser, element, name):
    return browser.evaluate(f"getComputedStyle({element}).{name}")


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("size", SIZES)
def test_fits_and_can_be_read(browser, page, tmp_path, size, scheme):
    browser.show(*size, scheme)
    browser.open(page)
    assert browser.evaluate("document.documentElement.scrollWidth") <= size[0]
    ground = style(browser, "document.body", "backgroundColor")
    assert (luminance(ground) > 0.8) == (scheme == "light")
    assert contrast(style(browser, "document.querySelector('h1')", "color"), ground) >= 7
    assert contrast(style(browser, "document.querySelector('.quiet')", "color"), ground) >= 4.5
    figure = style(browser, "document.querySelector('figure')", "backgroundColor")
    lines = browser.evaluate("[...document.querySelectorAll('#by-steps [data-curve] path')].map((p) => getComputedStyle(p).stroke).filter((s) => s.startsWith('rgb'))")
    assert len(set(lines)) >= 2  # a colour for each policy
    assert all(contrast(line, figure) >= 3 for line in lines)
    texts = browser.evaluate("[...document.querySelectorAll('#by-steps svg text')].map((t) => getComputedStyle(t).fill)")
    assert texts and all(contrast(text, figure) >= 4.5 for text in texts)
    smallest = browser.evaluate("Math.min(...[...document.querySelectorAll('#by-steps svg text')].map((t) => t.getBoundingClientRect().height))")
    assert smallest >= 10  # pixels, of a line of text
    browser.screenshot(tmp_path / "page.png")
    assert (tmp_path / "page.png").stat().st_size > 20000


def test_needs_no_network(opened, page):
    assert opened.evaluate("performance.getEntriesByType('resource').filter((r) => !r.name.startsWith('data:')).length") == 0
    text = page.read_text()
    assert not re.search(r"(src|href)=[\"'](?!data:|#)", text)
    assert "@import" not in text and "url(" not in text


def test_says_what_it_is_about(opened):
    assert opened.evaluate("document.querySelector('h1').textContent") == "Legs & <more>"
    assert opened.evaluate("document.querySelectorAll('#by-steps figure').length") == 2  # tasks
    captions = opened.evaluate("[...document.querySelectorAll('figcaption')].map((c) => c.textContent.trim())")
    assert "reward_ctrl Hopper-v5" in captions and "q_mean Ant-v5" in captions
    assert opened.evaluate("document.querySelector('video').src") == "data:video/mp4;base64,bm90IHJlYWxseSBhIGZpbG0="


def interquartile_mean(values):
    """As scripts/benchmarks/report.py computes it."""
    ordered = np.sort(np.asarray(values, dtype=float), axis=-1)
    n = ordered.shape[-1]
    edges = np.arange(n + 1)
    weights = np.clip(np.minimum(edges[1:], 0.75 * n) - np.maximum(edges[:-1], 0.25 * n), 0, None)
    return ordered @ weights / weights.sum()


def bootstrap(statistic, scores, percentiles, n_samples=200000):
    rng = np.random.default_rng(0)
    drawn = np.asarray(scores)[rng.integers(len(scores), size=(n_samples, len(scores)))]
    return np.percentile(statistic(drawn), percentiles)


def cells(browser, row):
    return browser.evaluate(f"[...document.querySelectorAll('#scores tr')[{row}].children].map((c) => c.textContent)")


def test_scores_are_those_of_numpy(opened):
    # Five runs of mean returns 31.5, 61.5, ..., 151.5 at step 3000; one run of episodes 15 to 18.
    for row, scores, statistic in (
        (1, [30 * seed + 1.5 for seed in range(1, 6)], interquartile_mean),
        (2, [15, 16, 17, 18], lambda values: np.mean(values, axis=-1)),
    ):
        got = cells(opened, row)
        assert float(got[4]) == pytest.approx(statistic(scores), abs=0.05)  # as it is rounded
        low, high = (float(number) for number in re.findall(r"[\d.]+", got[5])[:2])
        # A percentile of 10,000 samples is off by 0.16 % (a deviation) of them: four deviations, and the rounding.
        lowest, below, above, highest = bootstrap(statistic, scores, [1.88, 3.12, 96.88, 98.12])
        assert lowest - 0.05 <= low <= below + 0.05 and above - 0.05 <= high <= highest + 0.05
    assert cells(opened, 1)[:4] == ["Hopper-v5", "gaussian", "5", "3000"]
    assert cells(opened, 1)[6] == "151.5"  # of all evaluations
    assert "4 episodes" in cells(opened, 2)[5]


def is_drawn(browser, curve):
    return browser.evaluate(f"document.querySelector('#by-steps [data-curve=\"{curve}\"]').getBoundingClientRect().width > 0")


def test_a_click_on_the_legend_hides_and_shows_a_curve(opened):
    button = "document.querySelector('.legend button[data-colour=\"1\"]')"
    assert opened.evaluate(f"{button}.textContent") == "real_nvp"
    assert is_drawn(opened, 1) and is_drawn(opened, 0)
    opened.click(button)
    assert not is_drawn(opened, 1) and is_drawn(opened, 0)
    assert opened.evaluate(f"{button}.getAttribute('aria-pressed')") == "false"
    opened.click(button)
    assert is_drawn(opened, 1)


def test_a_click_chooses_the_horizontal_axis(opened):
    assert opened.evaluate("document.getElementById('by-time').getBoundingClientRect().height") == 0
    opened.click("document.querySelector('[data-shows=by-time]')")
    assert opened.evaluate("document.getElementById('by-time').getBoundingClientRect().height") > 100
    assert opened.evaluate("document.getElementById('by-steps').getBoundingClientRect().height") == 0
    assert "minutes" in opened.evaluate("document.getElementById('by-time').textContent")


def test_a_click_opens_a_run_with_its_command_and_versions(browser, page):
    browser.show(390, 844, "dark")
    browser.open(page)
    run = "document.querySelectorAll('details.run')[0]"
    assert not browser.evaluate(f"{run}.open")
    browser.click(f"{run}.querySelector('summary')")
    assert browser.evaluate(f"{run}.open")
    text = browser.evaluate(f"{run}.innerText")
    assert "millrace 9.8.7, MuJoCo 6.5.4; on <somewhere>" in text
    assert re.search(r"millrace train Hopper-v5 --agent sac --policy gaussian --steps 3000 --out \S+a1-again", text)
    assert browser.evaluate("document.documentElement.scrollWidth") <= 390


def test_the_command_makes_the_run_again(tmp_path):
    options = ["--steps", "300", "--learning-starts", "100", "--batch-size", "16", "--hidden", "8", "--eval-episodes", "1", "--preset", "td3", "--reward-scale", "2"]
    def train(arguments):
        subprocess.run([MILLRACE, *arguments], cwd=tmp_path, check=True, capture_output=True)
    train(["train", "Pendulum-v1", *options, "--out", "first"])
    subprocess.run([MILLRACE, "report", "first", "--out", "r.html"], cwd=tmp_path, check=True, capture_output=True)
    command = re.search(r"<pre>millrace (.*?)</pre>", (tmp_path / "r.html").read_text())[1].split()
    train(command)
    for name in "policy.safetensors", "evaluations.csv", "config.yaml":
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "first-again" / name).read_bytes(), name
