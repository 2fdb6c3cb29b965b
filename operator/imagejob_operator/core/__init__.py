"""Pure decisions: values in, values out. No client, no clock, no environment."""
