# For a folder of static files with index.html.
FROM nginx:stable-alpine
COPY . /usr/share/nginx/html
RUN rm -rf /usr/share/nginx/html/.git
EXPOSE 80
