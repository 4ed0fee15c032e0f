package dev.sluice.model.hub;

/** A file of a model as the hub lists it. */
record HubFile(String name, long size, Checksum checksum) {}
