"""Headless Chromium for the tests of pages, and the server that they are of."""

import contextlib
import shutil
import signal
import socket
import subprocess
import sys

import pytest

from tests.conftest import ROOT


def chromium(folder, language="zh-CN"):
    """Start Chromium with its profile in ``folder``; skips where it is not installed.

    It prefers Chinese: headless Chromium by itself says en-US, and would be shown English.
    """
    binary, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (binary and driver):
        pytest.skip("Chromium or its driver is not installed")
    from selenium.webdriver import Chrome, ChromeOptions
    from selenium.webdriver.chrome.service import Service as Driver

    options = ChromeOptions()
    options.binary_location = binary
    for flag in (
        "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync",
        "--disable-background-networking", "--disable-component-update",
        f"--user-data-dir={folder}",
    ):  # fmt: skip
        options.add_argument(flag)
    # Headless Chromium asks for this preference alone: neither --lang nor the environment.
    options.add_experimental_option("prefs", {"intl.accept_languages": language})
    options.set_capability("acceptInsecureCerts", True)  # the tests' own nginx signs its own
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    return Chrome(options, Driver(driver))


@contextlib.contextmanager
def served(db, *options):
    """Run the real server over a database, with more options; yields its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "app.py", "--db", str(db), "--port", str(port), *options],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    try:
        assert "已就绪" in process.stderr.readline()
        yield f"http://127.0.0.1:{port}/"
        # Chromium is still connected: an open page must not keep the server from ending.
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        said = process.stderr.read()
        assert said == "", said
    finally:
        process.kill()  # a test that failed must not leave it running


class Browser:
    """A browser, and waits that end."""

    def __init__(self, driver):
        self.driver = driver

    def size(self, width, height):
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)

    def js(self, expression):
        return self.driver.execute_script(f"return {expression}")

    def until(self, expression):
        from selenium.webdriver.support.ui import WebDriverWait

        WebDriverWait(self.driver, 30, 0.1).until(lambda _: self.js(expression), expression)

    def find(self, selector):
        return self.driver.find_elements("css selector", selector)
