package dev.sluice.architecture.wrong.request;

/** Something to import. */
public class Other {}
