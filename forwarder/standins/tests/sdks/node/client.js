'use strict';

// Every call of @alicloud/log that the stand-in knows; prints what came of it as JSON.
//
//     node client.js PORT KEY SECRET [TOKEN]
//
// The client takes no proxy, so the names of projects are resolved to the stand-in here.

const http = require('http');

const Client = require('@alicloud/log');

async function refusal(call) {
  try {
    await call();
  } catch (error) {
    return error.code;
  }
  return 'not refused';
}

async function main(port, accessKeyId, accessKeySecret, securityToken) {
  const agent = new http.Agent({
    lookup: (name, options, done) =>
      options.all ? done(null, [{ address: '127.0.0.1', family: 4 }]) : done(null, '127.0.0.1', 4),
  });
  const options = { agent };
  const client = new Client({ endpoint: `http://sls.test:${port}`, accessKeyId, accessKeySecret, securityToken });
  await client.createProject('made-up', { description: 'by Node' }, options);
  await client.createLogStore('made-up', 'logs', { ttl: 3, shardCount: 2 }, options);
  await client.updateLogStore('made-up', 'logs', { ttl: 5, shardCount: 2 }, options);
  const found = {
    description: (await client.getProject('made-up', options)).description,
    logstores: (await client.listLogStore('made-up', {}, options)).logstores,
    page: (await client.listLogStore('made-up', { logstoreName: 'log', offset: 0, size: 10 }, options)).logstores,
    ttl: (await client.getLogStore('made-up', 'logs', options)).ttl,
  };
  const logs = [
    { timestamp: Math.floor(Date.now() / 1000), timestampNsPart: 123456789, content: { k: 'plain', 'ü': 'ünï' } },
    { timestamp: Math.floor(Date.now() / 1000), content: { k: '' } },
  ];
  const group = { logs, tags: [{ tag: 'value' }], topic: 'topic', source: 'source' };
  await client.postLogStoreLogs('proj', 'store', group, options);
  found.refused = await refusal(() => client.getLogStore('made-up', 'none', options));
  await client.deleteLogStore('made-up', 'logs', options);
  found.left = (await client.listLogStore('made-up', {}, options)).logstores;
  await client.deleteProject('made-up', options);
  found.gone = await refusal(() => client.getProject('made-up', options));
  return found;
}

main(...process.argv.slice(2)).then(
  (found) => console.log(JSON.stringify(found)),
  (error) => {
    console.error(error);
    process.exitCode = 1;
  },
);
