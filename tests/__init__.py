from tests import builds

builds.choose()
