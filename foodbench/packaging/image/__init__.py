"""From a bundle to a container image that serves it, built without a network and repeatably."""

from foodbench.packaging.image.engines import Engine, find_engine
from foodbench.packaging.image.stage import build_image, check_repository, image_name, push_image, pushed_name

__all__ = ["Engine", "build_image", "check_repository", "find_engine", "image_name", "push_image", "pushed_name"]
