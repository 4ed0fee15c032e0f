package dev.sluice.metrics;

import java.util.ArrayList;
import java.util.List;

/** The bucket boundaries that dashboards made for vLLM expect. */
final class Buckets {

    static final double[] TTFT = {
        .001, .005, .01, .02, .04, .06, .08, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10, 20, 40, 80, 160, 640, 2560
    };

    /** vLLM's, with three finer ones below for models that are faster than a hundredth of a second. */
    static final double[] TOKEN = {
        .001, .0025, .005, .01, .025, .05, .075, .1, .15, .2, .3, .4, .5, .75, 1, 2.5, 5, 7.5, 10, 20, 40, 80
    };

    /** vLLM's, with finer ones below .3, which users there miss. */
    static final double[] REQUEST = {
        .01, .025, .05, .1, .2, .3, .5, .8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960, 1920,
        7680
    };

    static final double[] ITERATION = {1, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384};

    static final double[] STEP = {.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10};

    static final double[] TRANSFER = {1e6, 5e6, 1e7, 2e7, 4e7, 6e7, 8e7, 1e8, 1.5e8, 2e8};

    private Buckets() {}

    /** 1, 2, 5, 10, 20, 50, ... up to {@code max}. */
    static double[] oneTwoFive(int max) {
        List<Double> bounds = new ArrayList<>();
        for (long decade = 1; decade <= max; decade *= 10) {
            for (long step : new long[] {1, 2, 5}) {
                if (decade * step <= max) {
                    bounds.add((double) (decade * step));
                }
            }
        }
        return bounds.stream().mapToDouble(Double::doubleValue).toArray();
    }
}
