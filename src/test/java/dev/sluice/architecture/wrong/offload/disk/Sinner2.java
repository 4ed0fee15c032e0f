package dev.sluice.architecture.wrong.offload.disk;

/** For others to import. */
public class Sinner2 {}
