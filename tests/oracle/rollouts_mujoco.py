#!/usr/bin/env python3
"""Records the rollouts of tests/data/envs/rollouts again under another release of MuJoCo.

    rollouts_mujoco.py FOLDER [TASK ...]

Steps the models of Gymnasium's tasks, without anything of ours, from the starts and with the controls of FOLDER/TASK.csv
(recorded under MuJoCo 2.2.2), and writes FOLDER/TASK-VERSION.csv, where VERSION is that of the Python package mujoco.

Needs: gymnasium[mujoco] (with numpy, mujoco).
"""

import argparse
import csv
import pathlib

import gymnasium
import mujoco
import numpy as np


def read(path):
    with path.open(newline="") as file:
        rows = list(csv.reader(file))
    return rows[0], np.array(rows[1:], dtype=float)


def columns(header, name):
    return [i for i, column in enumerate(header) if column.rstrip("0123456789") == name]


def state(data):
    """What a row holds after its time and its controls."""
    return [*data.qpos, *data.qvel, data.ncon, float(np.sum(data.cfrc_ext ** 2))]


def record(task, folder):
    mujoco.set_mju_user_warning(lambda text: None)  # no MUJOCO_LOG.TXT
    header, rows = read(folder / f"{task}.csv")
    env = gymnasium.make(task, disable_env_checker=True).unwrapped
    model = mujoco.MjModel.from_xml_path(env.fullpath)
    data = mujoco.MjData(model)
    data.qpos[:] = rows[0][columns(header, "qpos")]
    data.qvel[:] = rows[0][columns(header, "qvel")]
    mujoco.mj_forward(model, data)
    path = folder / f"{task}-{mujoco.__version__}.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        for t, row in enumerate(rows):
            controls = row[columns(header, "ctrl")]
            if t > 0:
                data.ctrl[:] = controls
                mujoco.mj_step(model, data, env.frame_skip)
                mujoco.mj_rnePostConstraint(model, data)
            writer.writerow([t, *(f"{x:.17g}" for x in [*controls, *state(data)])])
    print(f"{path}: {len(rows)} rows of Gymnasium {gymnasium.__version__}'s model, MuJoCo {mujoco.__version__}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("tasks", nargs="*")
    arguments = parser.parse_args()
    tasks = arguments.tasks or sorted(path.stem for path in arguments.folder.glob("*-v5.csv"))
    for task in tasks:
        record(task, arguments.folder)


if __name__ == "__main__":
    main()
