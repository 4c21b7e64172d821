# Times pydicom alone and pydicom/deid with its standard recipe on the files
# given: header de-identification, file to file, one process. Prints JSON.
import json
import logging
import os
import sys
import time
import warnings

warnings.filterwarnings("ignore")
logging.disable(logging.CRITICAL)
os.environ["MESSAGELEVEL"] = "CRITICAL"
import pydicom
from deid.config import DeidRecipe
from deid.dicom import get_identifiers, replace_identifiers

out, files = sys.argv[1], sys.argv[2:]
real = os.dup(1)
os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def alone(path):
    pydicom.dcmread(path).save_as(out)


recipe = DeidRecipe()


def deid(path):
    ids = get_identifiers([path])
    done = replace_identifiers(dicom_files=[path], deid=recipe, ids=ids, save=False, strip_sequences=False, remove_private=True)
    done[0].save_as(out)


def timed(name, work):
    result = {"name": name, "files": 0, "refused": 0, "bytes": 0, "cpu": 0.0}
    begun = time.process_time()
    for path in files:
        try:
            work(path)
        except Exception:
            result["refused"] += 1
        result["files"] += 1
        result["bytes"] += os.path.getsize(path)
    result["cpu"] = time.process_time() - begun
    return result


answer = [timed("pydicom " + pydicom.__version__ + ", reads and writes only", alone), timed("pydicom/deid, header recipe", deid)]
os.write(real, json.dumps(answer).encode())
