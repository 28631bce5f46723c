# For a Maven project whose package phase makes one runnable jar.
FROM maven:3-eclipse-temurin-21 AS build
WORKDIR /src
COPY pom.xml ./
RUN mvn -q -B dependency:go-offline
COPY . .
RUN mvn -q -B -DskipTests package \
    && cp "$(find target -maxdepth 1 -name '*.jar' ! -name '*-sources.jar' ! -name '*-javadoc.jar' ! -name 'original-*.jar' | head -n 1)" /app.jar

FROM eclipse-temurin:21-jre
RUN useradd --system app
ENV PORT=8080
COPY --from=build /app.jar /app.jar
USER app
EXPOSE 8080
ENTRYPOINT ["java", "-jar", "/app.jar"]
