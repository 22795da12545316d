import json
import stat

import pytest

from aiops_provider.cli.demo.airflow_config import AirflowConfig


@pytest.fixture
def config(tmp_path):
    return AirflowConfig(home=tmp_path, dags=tmp_path / "dags", executor="LocalExecutor")


def test_nobody_is_admin_without_the_password(config):
    """One user, one generated password that only its owner can read."""
    config.write_password()
    environment = config.environment({})
    assert environment["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS"] == "demo:admin"
    assert "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS" not in environment
    assert json.loads(config.passwords_file.read_text()) == {"demo": config.password}
    assert stat.S_IMODE(config.passwords_file.stat().st_mode) == 0o600
    assert len(config.password) >= 16


def test_two_demos_share_no_secret(config, tmp_path):
    """Passwords and signing keys are generated for each."""
    other = AirflowConfig(home=tmp_path, dags=tmp_path, executor="LocalExecutor")
    assert config.password != other.password
    assert config.jwt_secret != other.jwt_secret


def test_secrets_are_in_no_representation(config):
    """A traceback that shows the configuration shows no secret."""
    assert config.password not in repr(config)
    assert config.jwt_secret not in repr(config)


def test_another_airflow_of_the_user_is_left_out(config):
    """Only what the demo itself says of Airflow and of the layer is inherited by its processes."""
    environment = config.environment(
        {
            "PATH": "/bin",
            "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "postgresql://production",
            "AIRFLOW_HOME": "/srv/airflow",
            "AIOPS__STORE": "postgresql://production",
        }
    )
    assert environment["PATH"] == "/bin"
    assert environment["AIRFLOW__CORE__EXECUTOR"] == "LocalExecutor"
    assert "production" not in str(environment)
    assert "/srv/airflow" not in str(environment)


def test_everything_listens_on_loopback(config):
    """The API server is not reachable from elsewhere."""
    environment = config.environment({})
    assert environment["AIRFLOW__API__HOST"] == "127.0.0.1"
    assert config.url == f"http://127.0.0.1:{config.port}"
    assert environment["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"] == f"{config.url}/execution/"
