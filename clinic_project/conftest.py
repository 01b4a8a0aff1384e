from clinic_project.testing import copy_instead_of_flushing, use_test_server


def pytest_configure() -> None:
    use_test_server()
    copy_instead_of_flushing()
