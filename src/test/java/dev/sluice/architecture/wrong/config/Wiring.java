package dev.sluice.architecture.wrong.config;

/** Stands for the configuration that nobody may import. */
public class Wiring {
    public static final int VALUE = Integer.getInteger("x", 1);
}
