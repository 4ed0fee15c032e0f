package dev.sluice.architecture.wrong.api.wire;

/** A wire form. */
public class Shape {}
