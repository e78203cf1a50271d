"""A headless Chromium for the tests of the page, and for pictures of it.

In:  a page on the disk, a width, light or dark.
Out: a driver of Selenium's that shows it; a picture of the whole page.
"""

import base64
import shutil
import time

from selenium import webdriver
from selenium.webdriver.chrome.service import Service

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def browser(width=900, height=1000, dark=False):
    """A browser window; who asks for it quits it."""
    options = webdriver.ChromeOptions()
    options.binary_location = next(filter(None, map(shutil.which, BROWSERS)), "")
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    return driver


def scroll_through(driver):
    """Scroll down a page and back, as a reader does, so that every chart is drawn."""
    y = 0
    while y < height_of(driver):
        driver.execute_script("window.scrollTo(0, arguments[0])", y)
        time.sleep(0.1)
        y += 600
    driver.execute_script("window.scrollTo(0, 0)")


def height_of(driver):
    """Height of a page, pixels."""
    return driver.execute_script("return document.documentElement.scrollHeight")


def picture(driver, width):
    """A picture of the whole page, PNG."""
    clip = {"x": 0, "y": 0, "width": width, "height": height_of(driver), "scale": 1}
    asked = {"captureBeyondViewport": True, "clip": clip}
    return base64.b64decode(driver.execute_cdp_cmd("Page.captureScreenshot", asked)["data"])
