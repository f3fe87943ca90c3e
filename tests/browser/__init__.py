"""The console in a real browser, against a whole running system. Where there is no Chromium the summary of the run says so."""
