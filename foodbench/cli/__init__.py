"""The commands, one file each: flags in, a stage called, its result printed."""
