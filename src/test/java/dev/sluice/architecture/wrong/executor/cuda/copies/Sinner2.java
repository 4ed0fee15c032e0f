package dev.sluice.architecture.wrong.executor.cuda.copies;

/** For a step to import. */
public class Sinner2 {}
