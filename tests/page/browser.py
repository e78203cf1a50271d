"""A headless Chromium for the tests of the page, and for pictures of it.

In:  a page on the disk, a width, light or dark.
Out: a driver of Selenium's that shows it; a picture of the whole page.
"""

import base64
import shutil

from selenium import webdriver
from selenium.webdriver.chrome.service import Service

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def browser(width=900, height=1000, dark=False, scripts=True):
    """A browser window; who asks for it quits it."""
    options = webdriver.ChromeOptions()
    options.binary_location = next(filter(None, map(shutil.which, BROWSERS)), "")
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"):
        options.add_argument(argument)
    if not scripts:
        off = {"profile.managed_default_content_settings.javascript": 2}
        options.add_experimental_option("prefs", off)
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
        scroll(driver, y)
        wait(driver)
        y += 600
    scroll(driver, height_of(driver))
    wait(driver)
    scroll(driver, 0)


def scroll(driver, y):
    """Go to a place at once, pixels from the top."""
    driver.execute_script("window.scrollTo({ top: arguments[0], behavior: 'instant' })", y)


def wait(driver):
    """Let the browser paint twice, so that what came into view is drawn."""
    driver.execute_async_script(
        "const paint = (n, done) => requestAnimationFrame(() => (n ? paint(n - 1, done) : done()));"
        "paint(2, () => setTimeout(arguments[0], 60))"
    )


def height_of(driver):
    """Height of a page, pixels."""
    return driver.execute_script("return document.documentElement.scrollHeight")


def picture(driver, width):
    """A picture of the whole page, PNG."""
    clip = {"x": 0, "y": 0, "width": width, "height": height_of(driver), "scale": 1}
    asked = {"captureBeyondViewport": True, "clip": clip}
    return base64.b64decode(driver.execute_cdp_cmd("Page.captureScreenshot", asked)["data"])
