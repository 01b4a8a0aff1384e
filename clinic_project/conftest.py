from clinic_project.testing import use_test_server


def pytest_configure() -> None:
    use_test_server()
