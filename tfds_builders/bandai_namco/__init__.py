"""The Bandai-Namco-Research-Motiondataset-2."""
