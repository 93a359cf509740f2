"""The experiments: pure logic over the crossbar contract."""
