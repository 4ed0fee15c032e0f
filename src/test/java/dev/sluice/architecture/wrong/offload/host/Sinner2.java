package dev.sluice.architecture.wrong.offload.host;

/** For others to import. */
public class Sinner2 {}
