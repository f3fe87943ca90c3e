// The types of job and what people call them: ours, and those of the modules that this system was given.
import { signal } from '@preact/signals';
import { get } from './api';
import { words } from './format';

const labels = signal<Record<string, string>>({});

/** Ask which there are; without an answer each is called by its name. */
export async function findJobTypes(): Promise<void> {
  const { jobTypes } = await get<{ jobTypes: { name: string; label: string }[] }>('/job-types');
  labels.value = Object.fromEntries(jobTypes.map(({ name, label }) => [name, label]));
}

/** What people call a type of job. */
export const typeLabel = (name: string): string => labels.value[name] ?? words(name);
/** Every type, by what people call it. */
export const typeNames = (): string[] => Object.keys(labels.value).sort((one, other) => typeLabel(one).localeCompare(typeLabel(other)));
