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

const AGAIN = 1_000; // milliseconds until the server is asked again

/**
 * A page, whose code is fetched when it is first opened. Where that does not come (the server is away, or has another version by
 * now) everything is loaded anew as soon as the server answers, unless the person has gone elsewhere meanwhile.
 */
function page(load: () => Promise<{ default: ComponentType<Parts> }>): ComponentType<Parts> {
  const anew = async (path: string): Promise<{ default: ComponentType<Parts> }> => {
    await new Promise(go => setTimeout(go, AGAIN));
    const there = await fetch('/', { cache: 'no-store' }).then(answer => answer.ok, () => false);
    if (there && location.pathname !== path) return load().catch(() => anew(path));
    if (there) location.reload();
    return anew(path);
  };
  return lazy(() => {
    const path = location.pathname;
    return load().catch(() => anew(path));
  });
}

export const routes: PageRoute[] = [
  { path: '/', title: 'Overview', who: 'operator', key: 'o', component: page(() => import('./pages/overview')) },
  { path: '/console/jobs', title: 'Jobs', who: 'operator', key: 'j', component: page(() => import('./pages/jobs')) },
  { path: '/console/jobs/:id', title: 'Job', who: 'user', component: page(() => import('./pages/job')) },
  { path: '/console/schedules', title: 'Schedules', who: 'operator', key: 's', component: page(() => import('./pages/schedules')) },
  { path: '/console/mail', title: 'Mail', who: 'operator', key: 'm', component: page(() => import('./pages/mail')) },
  { path: '/console/mail/:id', title: 'Mail', who: 'operator', component: page(() => import('./pages/one-mail')) },
  { path: '/console/today', title: 'Today', who: 'user', key: 't', component: page(() => import('./user/home')) },
  { path: '/console/calendar', title: 'Calendar', who: 'user', key: 'c', component: page(() => import('./user/calendar')) },
  { path: '/console/projects', title: 'Projects', who: 'user', key: 'p', component: page(() => import('./user/projects')) },
  { path: '/console/projects/:id', title: 'Project', who: 'user', component: page(() => import('./user/project')) },
  { path: '/console/texts', title: 'Text messages', who: 'user', key: 'x', component: page(() => import('./user/texts')) },
  { path: '/console/notifications', title: 'Notifications', who: 'user', key: 'n', component: page(() => import('./user/inbox')) },
];

/** Where a page of the menu leads to, by who is looking. */
export function menu(who: PageRoute['who']): PageRoute[] {
  return routes.filter(route => route.key && route.who === who);
}

/** What `/` shows to those who are no operators. */
export const firstUserPage: PageRoute['component'] = page(() => import('./user/home'));
