/** All of 127.0.0.0/8 is this machine's: a run has addresses of its own, so that no port can be taken. */
export const network = `127.${100 + (process.pid % 100)}.${(process.pid >> 8) % 256}`
