drop table phase_tasks, phase_generations, phases, onboarding_analysis;
