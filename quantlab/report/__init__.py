"""The report of a run: `write_report(result, directory)` lays report.html, report.json, manifest.json and CSV files into a folder.

contract   report.json: the figures, by names that others may rely on
verdict    what they come to, by rules that were fixed beforehand
figures    plotly figures, for a notebook as for the page
wording    numbers and sentences as a reader sees them
blocks     what a page is made of
sections   what the page says
page       one offline HTML file, with a strict content security policy
files      CSV files and the manifest
folder     written aside, renamed when complete
index      the list of all runs
"""

from quantlab.report.folder import report_files, write_report
from quantlab.report.index import folder_name

__all__ = ["folder_name", "report_files", "write_report"]
