/** Of a route that is read. One route has both: a twin for HEAD, as fastify adds it, would cost a start as much again. */
export const readMethods = ['GET', 'HEAD']
