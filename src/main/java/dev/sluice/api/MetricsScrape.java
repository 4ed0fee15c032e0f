package dev.sluice.api;

import org.jspecify.annotations.Nullable;

/** Renders all metrics for a scraper. */
public interface MetricsScrape {

    /** A rendered page. */
    record Page(String contentType, String body) {}

    /** @param accept the Accept header, or null */
    Page scrape(@Nullable String accept);
}
