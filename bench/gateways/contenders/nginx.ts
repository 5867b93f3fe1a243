import type { Contender, Place } from '../contender.ts'
import { findOnPath } from '../contender.ts'

/** A bare proxy: no routing by model, no limits, no log of calls. */
export const nginx: Contender = {
  name: 'nginx',
  setup:
    'one worker, `proxy_buffering off`, `proxy_request_buffering off`, keep-alive to the upstream, no access log',
  entrances: { chat: { path: '/v1/chat/completions', model: 'bench' } },
  find: () =>
    findOnPath('nginx', ['-v'], (command, place) => ({
      command,
      args: ['-p', place.directory, '-e', 'stderr', '-c', 'nginx.conf'],
      files: { 'nginx.conf': config(place) },
    })),
}

/** When few of its connections are left, nginx closes some that wait: there are more here than a run takes. */
const config = ({ port, upstreamPort, directory, maxFiles }: Place): string => `
${process.getuid?.() === 0 ? 'user root;' : ''}
daemon off;
worker_processes 1;
worker_rlimit_nofile ${maxFiles};
pid ${directory}/nginx.pid;
error_log stderr warn;
events { worker_connections ${Math.min(24_000, Math.ceil(maxFiles * 1.2))}; }
http {
  access_log off;
  client_body_temp_path ${directory}/client;
  proxy_temp_path ${directory}/proxy;
  fastcgi_temp_path ${directory}/fastcgi;
  uwsgi_temp_path ${directory}/uwsgi;
  scgi_temp_path ${directory}/scgi;
  client_max_body_size 0;
  keepalive_requests 1000000000;
  keepalive_timeout 1h;
  upstream scripted {
    server 127.0.0.1:${upstreamPort};
    keepalive 1024;
    keepalive_requests 1000000000;
  }
  server {
    listen 127.0.0.1:${port} backlog=4096;
    location / {
      proxy_pass http://scripted;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
      proxy_request_buffering off;
      proxy_read_timeout 1h;
    }
  }
}
`
