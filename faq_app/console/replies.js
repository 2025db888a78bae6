// What a reply says that no part of the page shows: why nothing was done, or that the session ended.
// What was typed stays where it is.
const expired = element.querySelector('#expired');
const refused = element.querySelector('#refused');
const session = (status) => {
  if (status === 401 || status === 200) expired.hidden = status === 200;
};
const refuse = (text) => {
  refused.firstElementChild.textContent = text;
  refused.hidden = false;
};
refused.querySelector('button').addEventListener('click', () => { refused.hidden = true; });

const send = window.fetch;
window.fetch = async (...request) => {
  const ours = String(request[0]?.url ?? request[0]).includes('/gradio_api/run/');
  if (ours) refused.hidden = true;
  let reply;
  try {
    reply = await send(...request);
  } catch (error) {
    if (ours) refuse('连不上服务器, 写的内容都还在。请检查网络, 再试一次。');
    throw error;
  }
  if (reply.status === 401) session(401);
  // Gradio shows no error of an event that does not queue.
  if (ours && reply.status === 422)
    reply.clone().json().then((body) => { if (body.error) refuse(body.error); }, () => {});
  return reply;
};

const look = () => send('session').then((reply) => session(reply.status), () => {});
setInterval(look, 60000);
// Whoever comes back from logging in should see it gone.
document.addEventListener('visibilitychange', () => { if (!document.hidden) look(); });
window.addEventListener('focus', look);
