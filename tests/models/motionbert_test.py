import pytest
from golden_files import check_reproduces


@pytest.mark.parametrize("name", ["motionbert_tiny", "motionbert_full_t27"])
def test_reproduces_the_authors_model(name):
    check_reproduces("motionbert", name)
