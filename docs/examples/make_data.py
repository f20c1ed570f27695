# Makes the tables that the documentation's commands read, here: moons.npy, moons_test.npy, maze_states.npy, exam.csv, wind.csv. (packages.csv is what tests/oracle/flow_categories.py --rows 1000 --table writes.)
import numpy as np
random = np.random.default_rng(1)
def moons(n):  # two half circles, one upside down
    angle, upper = random.uniform(0, np.pi, n), random.random(n) < 0.5
    x = np.where(upper, np.cos(angle), 1 - np.cos(angle))
    y = np.where(upper, np.sin(angle), 0.5 - np.sin(angle))
    return (np.stack([x, y], 1) + 0.1 * random.normal(size=(n, 2))).astype(np.float32)
np.save("moons.npy", moons(2000))
np.save("moons_test.npy", moons(500))
# PointMazeU-v0 at rest, on a grid over its hall: x, y and two velocities.
x, y = np.meshgrid(np.linspace(-1.4, 1.4, 15), np.linspace(-1.4, 1.4, 15))
np.save("maze_states.npy", np.stack([x.ravel(), y.ravel(), 0 * x.ravel(), 0 * x.ravel()], 1))
# Who passes an exam, by hours of study and of sleep: the logit is hours + sleep / 2 - 7.
hours, sleep = random.uniform(0, 8, 200), random.uniform(4, 10, 200)
passed = random.random(200) < 1 / (1 + np.exp(7 - hours - sleep / 2))
np.savetxt("exam.csv", np.stack([hours, sleep, passed], 1), fmt=["%.2f", "%.2f", "%d"], delimiter=",", header="hours,sleep,passed", comments="")
# The wind: its direction in degrees, the fraction of its full strength, and the gusts, with heavy tails.
west = random.random(500) < 0.7
direction = np.where(west, random.vonmises(np.deg2rad(-90), 6, 500), random.vonmises(np.deg2rad(45), 3, 500))
strength = random.beta(np.where(west, 5, 2), 3, 500)
gust = strength + 0.05 * random.standard_t(2, 500)
np.savetxt("wind.csv", np.stack([np.rad2deg(direction) % 360, strength, gust], 1), fmt=["%.1f", "%.3f", "%.3f"], delimiter=",", header="direction,strength,gust", comments="")
# scikit-learn's digits (UCI's optical recognition of handwritten digits, CC BY 4.0), where it is installed: digits.npy, digits_labels.npy.
try:
    from sklearn.datasets import load_digits
except ImportError:
    raise SystemExit("digits.npy and digits_labels.npy need scikit-learn")
digits = load_digits()
np.save("digits.npy", np.round(digits.images * 255 / 16).astype(np.uint8))
np.save("digits_labels.npy", digits.target.astype(np.uint8))
