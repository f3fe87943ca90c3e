// The few pictures there are, drawn in the colour of the text around them. They say nothing that words beside them do not.
const PATHS = {
  menu: 'M4 7h16M4 12h16M4 17h16',
  close: 'M6 6l12 12M18 6L6 18',
  auto: 'M12 4a8 8 0 100 16 8 8 0 000-16zM12 4v16M12 8h6M12 12h8M12 16h6',
  sun: 'M12 8a4 4 0 100 8 4 4 0 000-8zM12 3v1.5M12 19.5V21M3 12h1.5M19.5 12H21M5.6 5.6l1.1 1.1M17.3 17.3l1.1 1.1M18.4 5.6l-1.1 1.1M6.7 17.3l-1.1 1.1',
  moon: 'M19.5 14.5A8 8 0 019.5 4.5a8 8 0 1010 10z',
  left: 'M14 6l-6 6 6 6',
  right: 'M10 6l6 6-6 6',
  check: 'M5 12.5l4.5 4.5L19 7.5',
  alert: 'M12 8v5M12 16.2v.1M12 3.5l9 16H3z',
  clock: 'M12 7v5l3.5 2M12 4a8 8 0 100 16 8 8 0 000-16z',
  play: 'M8 5.5v13l10.5-6.5z',
  pause: 'M8.5 5.5v13M15.5 5.5v13',
  retry: 'M19 12a7 7 0 11-2.2-5.1M19 4v4h-4',
  stop: 'M7 7h10v10H7z',
  mail: 'M4 6.5h16v11H4zM4.5 7l7.5 6 7.5-6',
  copy: 'M9 9h10v10H9zM5 15V5h10',
} as const;

export function Icon({ name }: { name: keyof typeof PATHS }) {
  return <svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false"><path d={PATHS[name]} /></svg>;
}
