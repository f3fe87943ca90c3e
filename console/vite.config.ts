import { defineConfig } from 'vite';

// The API of `buildos up`, for `npm run dev`.
const api = 'http://127.0.0.1:3001';
const ours = ['/health', '/access', '/queue', '/jobs', '/users', '/schedules', '/api', '/overview', '/workers', '/outbox'];

export default defineConfig({
  base: '/console/',
  build: {
    outDir: '../app/web/console',
    emptyOutDir: true,
    target: 'es2022',
    // Nothing becomes a data: URL or an inline script: the policy of the page allows neither.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 300,
  },
  server: {
    proxy: { ...Object.fromEntries(ours.map(path => [path, api])), '/socket.io': { target: api, ws: true } },
  },
});
