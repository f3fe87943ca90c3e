// Every page of the console, once: its path, its place in the menu, who may see it. Each is loaded when it is first opened.
import { lazy } from 'preact-iso';
import type { ComponentType } from 'preact';

/** The parts of the address that the path names with `:`. */
export interface Parts {
  id?: string;
}

export interface PageRoute {
  path: string;
  title: string;
  /** For whom: operators need the service key where AUTH_MODE=jwt. */
  who: 'operator' | 'user';
  component: ComponentType<Parts>;
  /** The second key of its shortcut (`g` comes first), and its place in the menu; without one it is no entry there. */
  key?: string;
}

export const routes: PageRoute[] = [
  { path: '/', title: 'Overview', who: 'operator', key: 'o', component: lazy(() => import('./pages/overview')) },
  { path: '/console/jobs', title: 'Jobs', who: 'operator', key: 'j', component: lazy(() => import('./pages/jobs')) },
  { path: '/console/jobs/:id', title: 'Job', who: 'user', component: lazy(() => import('./pages/job')) },
  { path: '/console/schedules', title: 'Schedules', who: 'operator', key: 's', component: lazy(() => import('./pages/schedules')) },
  { path: '/console/mail', title: 'Mail', who: 'operator', key: 'm', component: lazy(() => import('./pages/mail')) },
  { path: '/console/mail/:id', title: 'Mail', who: 'operator', component: lazy(() => import('./pages/one-mail')) },
  { path: '/console/today', title: 'Today', who: 'user', key: 't', component: lazy(() => import('./user/home')) },
  { path: '/console/calendar', title: 'Calendar', who: 'user', key: 'c', component: lazy(() => import('./user/calendar')) },
  { path: '/console/projects', title: 'Projects', who: 'user', key: 'p', component: lazy(() => import('./user/projects')) },
  { path: '/console/projects/:id', title: 'Project', who: 'user', component: lazy(() => import('./user/project')) },
  { path: '/console/texts', title: 'Text messages', who: 'user', key: 'x', component: lazy(() => import('./user/texts')) },
  { path: '/console/notifications', title: 'Notifications', who: 'user', key: 'n', component: lazy(() => import('./user/inbox')) },
];

/** Where a page of the menu leads to, by who is looking. */
export function menu(who: PageRoute['who']): PageRoute[] {
  return routes.filter(route => route.key && route.who === who);
}

/** What `/` shows to those who are no operators. */
export const firstUserPage: PageRoute['component'] = lazy(() => import('./user/home'));
