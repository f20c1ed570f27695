"""Key files, and what is said of secret ones that are none."""

import os

import pytest
import zmq
from conftest import Walk

from millrace_bridge import Client, Server, curve

pytestmark = pytest.mark.skipif(os.name != "posix", reason="files have no permissions of this kind")


@pytest.fixture
def keys(tmp_path):
    """The secret key file of a server, and a folder with its public one; it is its own client."""
    public, secret = zmq.curve_keypair()
    (tmp_path / "allowed").mkdir()
    (tmp_path / "allowed/k.key").write_text(public.decode())
    file = tmp_path / "k.key_secret"
    file.write_text(f'    public-key = "{public.decode()}"\n    secret-key = "{secret.decode()}"\n')
    return file, tmp_path / "allowed"


@pytest.mark.parametrize(("mode", "said"), [(0o600, 0), (0o400, 0), (0o644, 1), (0o640, 1), (0o602, 1)])
def test_warns_once_of_a_secret_key_that_others_can_read(serve, keys, caplog, mode, said):
    file, allowed = keys
    file.chmod(mode)
    running = serve(curve_secret_key=file, curve_allow=allowed)
    client = Client(running.endpoint, curve_server_key=allowed / "k.key", curve_secret_key=file)
    client.ping()
    client.close()
    texts = [record.getMessage() for record in caplog.records]
    assert {record.name for record in caplog.records} <= {"millrace.bridge.curve"}
    assert len(texts) == said and all(f"{file} is a secret key that others" in text for text in texts)


def test_a_pipe_among_the_keys_holds_nobody_up(serve, keys):
    allowed = keys[1]
    os.mkfifo(allowed / "pipe")
    assert len(curve.read_allowed(allowed)) == 1
    with pytest.raises(ValueError, match="not a file"):
        Server([Walk()], "tcp://127.0.0.1:*", curve_secret_key=allowed / "pipe", curve_allow=allowed)
    with pytest.raises(ValueError, match="No such file"):
        curve.read_key(allowed / "nothing", "secret")
