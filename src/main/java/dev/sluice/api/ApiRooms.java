package dev.sluice.api;

import dev.sluice.admission.AdmissionControl;
import dev.sluice.scheduler.ContinuousBatchingScheduler;
import dev.sluice.text.PromptEncoder;

/** The rooms behind the front door, once the model is loaded. */
public record ApiRooms(
        ServedModel model, PromptEncoder encoder, AdmissionControl admission, ContinuousBatchingScheduler scheduler) {}
