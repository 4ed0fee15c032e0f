package dev.sluice.jinja;

/** What a name or member that does not exist evaluates to: prints as nothing, is false, and can do nothing else. */
record Undefined(String what) {}
