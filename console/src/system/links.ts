import { query, type Values } from '../api';

/** The list of jobs with a filter. */
export const jobsPath = (filter: Values = {}): string => `/console/jobs${query(filter)}`;
export const jobPath = (id: string): string => `/console/jobs/${encodeURIComponent(id)}`;
