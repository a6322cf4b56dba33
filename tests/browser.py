"""A headless Chromium of the system, driven by Selenium, and what a page said and asked for in it."""

import json
import os
import shutil
from contextlib import contextmanager

import pytest

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
WIDTHS = {"desktop": (1280, 900), "phone": (390, 844)}


def needed():
    """Skip where there is no browser; in CI there must be one."""
    if CHROMIUM is None or DRIVER is None:
        if os.environ.get("CI"):
            pytest.fail("CI needs a browser: apt-get install chromium chromium-driver")
        pytest.skip("no chromium and chromedriver here: apt-get install chromium chromium-driver")


@contextmanager
def browser():
    """Yield a driver of a fresh browser."""
    needed()
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    try:
        yield driver
    finally:
        driver.quit()


def show(driver, url, size, scheme):
    """Open a page at a size in a colour scheme; forget what earlier pages said."""
    width, height = WIDTHS[size]
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": size == "phone"}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    driver.get("about:blank")
    for log in ("browser", "performance"):
        driver.get_log(log)
    driver.get(url)


def complaints(driver):
    """What the console has."""
    return [entry["message"] for entry in driver.get_log("browser")]


def requests(driver):
    """Addresses that the page asked for."""
    messages = (json.loads(entry["message"])["message"] for entry in driver.get_log("performance"))
    urls = (one["params"]["request"]["url"] for one in messages if one["method"] == "Network.requestWillBeSent")
    return [url for url in urls if not url.startswith("data:")]


CONTRAST = """
const linear = value => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
const weights = [0.2126, 0.7152, 0.0722];
const light = parts => parts.reduce((sum, part, index) => sum + weights[index] * linear(part / 255), 0);
const paint = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
const flat = layers => {
  paint.clearRect(0, 0, 1, 1);
  for (const layer of layers) { paint.fillStyle = layer; paint.fillRect(0, 0, 1, 1); }
  return [...paint.getImageData(0, 0, 1, 1).data].slice(0, 3);
};
const weak = [];
for (const element of document.querySelectorAll("body *")) {
  const own = [...element.childNodes].some(node => node.nodeType === 3 && node.textContent.trim());
  if (!own || !element.getClientRects().length || element.closest(".unseen, .skip, script, style")) continue;
  const style = getComputedStyle(element), inSvg = element.ownerSVGElement;
  if (style.visibility === "hidden") continue;
  const layers = [];
  for (let one = element; one; one = one.parentElement) layers.unshift(getComputedStyle(one).backgroundColor);
  const back = flat(["white", ...layers]), front = flat(["white", ...layers, inSvg ? style.fill : style.color]);
  const [high, low] = [light(front), light(back)].sort((one, two) => two - one);
  const ratio = (high + 0.05) / (low + 0.05);
  if (ratio < 4.5) weak.push(`${ratio.toFixed(2)} ${element.tagName} ${element.textContent.trim().slice(0, 40)}`);
}
return weak;
"""


def weak_texts(driver):
    """Texts whose contrast with what is behind them is below 4.5 to 1 (WCAG 2.2, 1.4.3)."""
    return driver.execute_script(CONTRAST)
